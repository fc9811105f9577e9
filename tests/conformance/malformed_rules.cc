// Queries that do not parse.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/conformance/broken_server.h"
#include "tests/conformance/rule.h"
#include "tests/conformance/visit.h"
#include "tests/support/dns_message.h"

namespace meshdns::conformance {
namespace {

using support::make_query;
using support::MessageBytes;

constexpr unsigned kFormerr = 1;

// FORMERR, or no reply and the next query answered, over both transports.
void is_rejected(Visit& visit, const Octets& message, const std::string& what) {
  for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    if (visit.is_ignored(message, transport)) {
      continue;
    }
    const auto reply = visit.exchange(message, transport);
    visit.expect(!reply || full_rcode(reply->message()) == kFormerr, what);
  }
}

MessageBytes query_header() {
  MessageBytes message;
  message.header(7, 0x0100, 1, 0, 0, 0);
  return message;
}

void cut_questions(Visit& visit) {
  const Octets whole = make_query("web.mesh", 1);
  for (std::size_t size = 12; size < whole.size(); ++size) {
    Octets cut = whole;
    cut.resize(size);
    is_rejected(visit, cut, fmt::format("a query cut to {} octets", size));
  }
}

void lying_counts(Visit& visit) {
  for (const std::size_t count : {6U, 8U, 10U}) {  // ANCOUNT, NSCOUNT, ARCOUNT
    for (const std::uint8_t claimed : {std::uint8_t{1}, std::uint8_t{255}}) {
      Octets message = make_query("web.mesh", 1);
      message[count + 1] = claimed;
      is_rejected(visit, message, fmt::format("count at {} claims {} records", count, claimed));
    }
  }
}

void label_types(Visit& visit) {
  for (const unsigned type : {0x40U, 0x80U}) {
    MessageBytes message = query_header();
    message.u8(type | 3U).octets({'w', 'e', 'b'}).u8(0).u16(1).u16(1);
    is_rejected(visit, message.bytes(), fmt::format("label type {:#x}", type));
  }
}

void long_names(Visit& visit) {
  MessageBytes message = query_header();
  for (int label = 0; label < 5; ++label) {
    message.u8(50).octets(Octets(50, 'a'));
  }
  message.u8(0).u16(1).u16(1);  // 256 octets
  is_rejected(visit, message.bytes(), "a name of 256 octets");
}

void pointers(Visit& visit) {
  const auto ask_at = [&](unsigned target, const std::string& what) {
    MessageBytes message = query_header();
    message.pointer(target).u16(1).u16(1);
    is_rejected(visit, message.bytes(), what);
  };
  ask_at(12, "a pointer to itself");
  ask_at(16, "a pointer forwards");
  ask_at(0x3fff, "a pointer beyond the end");
  ask_at(4, "a pointer into the header");
}

}  // namespace

std::vector<Rule> malformed_rules() {
  return {
      {"RejectsCutQuestions", "A question that is cut short gets FORMERR or no reply.",
       "RFC 1035 section 4.1.1", Verdict::kMust, cut_questions, answers_everything()},
      {"RejectsCountsThatLie", "Counts that claim records which are not there get FORMERR.",
       "RFC 1035 section 4.1.1, RFC 9267 section 5", Verdict::kMust, lying_counts, says_rcode(0)},
      {"RejectsReservedLabels", "Label types 01 and 10 get FORMERR or no reply.",
       "RFC 1035 section 4.1.4, RFC 6891 section 5", Verdict::kMust, label_types, says_rcode(0)},
      {"RejectsLongNames", "A name longer than 255 octets gets FORMERR or no reply.",
       "RFC 1035 section 3.1", Verdict::kMust, long_names, says_rcode(0)},
      {"RejectsPointersThatDoNotGoBack",
       "A compression pointer that does not lead to an earlier name gets FORMERR or no reply.",
       "RFC 1035 section 4.1.4, RFC 9267 section 2", Verdict::kMust, pointers, says_rcode(0)},
  };
}

}  // namespace meshdns::conformance
