// The header, the question, opcodes and classes.
#include <array>
#include <cstddef>
#include <cstdint>
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

constexpr unsigned kA = 1;
constexpr unsigned kAaaa = 28;
constexpr unsigned kNxname = 128;
constexpr unsigned kIxfr = 251;
constexpr unsigned kAxfr = 252;
constexpr unsigned kChaos = 3;
constexpr unsigned kClassAny = 255;
constexpr unsigned kFormerr = 1;
constexpr unsigned kNotimp = 4;
constexpr unsigned kRefused = 5;
// One answered from the table, one forwarded.
constexpr std::array kNames{"web.mesh", "www.example"};

bool denies(const DnsReply& reply) {
  const unsigned rcode = full_rcode(reply.message());
  return rcode == kNotimp || rcode == kRefused;
}

void echoes_id(Visit& visit) {
  for (const char* const name : kNames) {
    const auto reply = visit.exchange(make_query(name, kA, {.id = 0xbeef}));
    visit.expect(!reply || reply->message().id == 0xbeef, "another id");
  }
}

void copies_flag(Visit& visit, std::uint16_t flag, bool support::JudgedMessage::* seen) {
  for (const char* const name : kNames) {
    for (const bool set : {false, true}) {
      const std::uint16_t flags = set ? flag : 0;
      const auto reply = visit.exchange(make_query(name, kA, {.flags = flags}));
      visit.expect(!reply || reply->message().*seen == set, fmt::format("{} not copied", set));
    }
  }
}

void keeps_case(Visit& visit) {
  for (const char* const name : {"wEb.MeSh", "wWw.ExAmPlE"}) {
    const auto reply = visit.exchange(make_query(name, kA));
    visit.expect(!reply || (!reply->message().question.empty() &&
                            reply->message().question[0] == fmt::format("{}. IN A", name)),
                 "the question was changed");
  }
}

void opcodes(Visit& visit) {
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    const auto flags = static_cast<std::uint16_t>(opcode << 11U);
    const auto reply = visit.exchange(make_query("web.mesh", kA, {.flags = flags}));
    visit.expect(!reply || denies(*reply), fmt::format("opcode {} is not denied", opcode));
    visit.expect(!reply || reply->message().opcode == opcode,
                 fmt::format("opcode {} is not echoed", opcode));
  }
}

void transfers(Visit& visit) {
  for (const unsigned type : {kAxfr, kIxfr}) {
    for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
      const auto reply = visit.exchange(make_query("mesh", type), transport);
      visit.expect(!reply || (denies(*reply) && reply->message().answer.empty()),
                   "a transfer is not denied");
    }
  }
}

void one_question(Visit& visit) {
  MessageBytes two;
  two.header(1, 0x0100, 2, 0, 0, 0).question("web.mesh", kA).question("web.mesh", kAaaa);
  (void)visit.expect_rcode(two.bytes(), kFormerr);
  MessageBytes none;
  none.header(1, 0x0100, 0, 0, 0, 0);
  (void)visit.expect_rcode(none.bytes(), kFormerr);
}

void no_nxname(Visit& visit) {
  for (const char* const name : kNames) {
    (void)visit.expect_rcode(make_query(name, kNxname), kFormerr);
    visit.expect(visit.forwarded(fmt::format("{}.", name)).empty(), "it was forwarded");
  }
}

void other_classes(Visit& visit) {
  for (const unsigned rrclass : {kChaos, kClassAny, 2U, 4U, 254U}) {
    const auto reply =
        visit.exchange(make_query("web.mesh", kA, {.qclass = static_cast<std::uint16_t>(rrclass)}));
    visit.expect(!reply || reply->message().answer.empty(),
                 fmt::format("class {} has an answer", rrclass));
  }
  visit.expect(visit.forwarded("web.mesh.").empty(), "a mesh name was forwarded");
}

// Makes every question one of class IN.
void ask_for_in(Octets& query) {
  if (query.size() > 12 + 10) {
    query[query.size() - 1] = 1;
  }
}

Breakage loses_case() {
  return edits_reply([](Octets& reply) {
    for (std::size_t i = 12; i < reply.size() && reply[i] != 0; ++i) {
      reply[i] = reply[i] >= 'A' && reply[i] <= 'Z' ? reply[i] | 0x20U : reply[i];
    }
  });
}

}  // namespace

std::vector<Rule> message_rules() {
  using support::JudgedMessage;
  return {
      {"EchoesTheId", "A reply has the id of its query.", "RFC 1035 section 4.1.1", Verdict::kMust,
       echoes_id, edits_reply([](Octets& reply) { reply[0] ^= 1U; })},
      {"SetsQr", "A reply has QR set.", "RFC 1035 section 4.1.1", Verdict::kMust,
       [](Visit& visit) {
         for (const char* const name : kNames) {
           const auto reply = visit.exchange(make_query(name, kA));
           visit.expect(!reply || reply->message().qr, "QR is clear");
         }
       },
       clears_bits(2, 0x80)},
      {"CopiesRd", "RD is copied into the reply.", "RFC 1035 section 4.1.1", Verdict::kMust,
       [](Visit& visit) { copies_flag(visit, 0x0100, &JudgedMessage::rd); }, clears_bits(2, 0x01)},
      {"CopiesCd", "CD is copied into the reply.", "RFC 4035 section 3.1.6", Verdict::kMust,
       [](Visit& visit) { copies_flag(visit, 0x0010, &JudgedMessage::cd); }, clears_bits(3, 0x10)},
      {"OffersRecursion", "RA is set in every answer: the whole DNS can be asked here.",
       "RFC 1035 section 4.1.1", Verdict::kMust,
       [](Visit& visit) {
         for (const char* const name : kNames) {
           const auto reply = visit.exchange(make_query(name, kA));
           visit.expect(!reply || reply->message().ra, "RA is clear");
         }
       },
       clears_bits(3, 0x80)},
      {"KeepsZClear", "The reserved bit Z is zero in a reply, whatever it was in the query.",
       "RFC 1035 section 4.1.1", Verdict::kMust,
       [](Visit& visit) {
         for (const char* const name : kNames) {
           const auto reply = visit.exchange(make_query(name, kA, {.flags = 0x0140}));
           visit.expect(!reply || (reply->octets()[3] & 0x40U) == 0, "Z is set");
         }
       },
       sets_bits(3, 0x40)},
      {"IsAuthoritativeForItsZones", "AA is set for names of a zone that is held here.",
       "RFC 1035 section 4.1.1", Verdict::kMust,
       [](Visit& visit) {
         for (const char* const name : {"web.mesh", "nope.mesh", "mesh"}) {
           const auto reply = visit.exchange(make_query(name, kA));
           visit.expect(!reply || reply->message().aa, "AA is clear");
         }
       },
       clears_bits(2, 0x04)},
      {"IsNotAuthoritativeForOthers", "AA is clear in what was forwarded.",
       "RFC 1035 section 4.1.1", Verdict::kMust,
       [](Visit& visit) {
         const auto reply = visit.exchange(make_query("www.example", kA));
         visit.expect(!reply || !reply->message().aa, "AA is set");
       },
       sets_bits(2, 0x04)},
      {"EchoesTheQuestion", "The question comes back octet for octet, in the case it was asked in.",
       "RFC 1035 section 4.1.2, RFC 4343 section 4.1", Verdict::kMust, keeps_case, loses_case()},
      {"IgnoresReplies", "A message with QR set gets no reply, so that two servers cannot loop.",
       "RFC 1035 section 7.3, CERT VU#417980", Verdict::kMust,
       [](Visit& visit) {
         for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
           visit.expect(visit.is_ignored(make_query("web.mesh", kA, {.flags = 0x8100}), transport),
                        "a reply was answered");
         }
       },
       answers_everything()},
      {"IgnoresFragments", "What is shorter than a header gets no reply.", "RFC 1035 section 4.1.1",
       Verdict::kMust,
       [](Visit& visit) {
         for (std::size_t size = 0; size < 12; ++size) {
           Octets cut = make_query("web.mesh", kA);
           cut.resize(size);
           visit.expect(visit.is_ignored(cut), fmt::format("{} octets were answered", size));
         }
       },
       answers_everything()},
      {"DeniesOtherOpcodes",
       "Opcodes other than QUERY get NOTIMP (or REFUSED), the opcode echoed: IQUERY, STATUS, "
       "NOTIFY, UPDATE, DSO and those not assigned.",
       "RFC 1035 section 4.1.1, RFC 8906 section 3.1.4, RFC 8490 section 5.1", Verdict::kMust,
       opcodes, clears_bits(2, 0x78)},
      {"DeniesTransfers", "AXFR and IXFR are denied.", "RFC 5936 section 2.2.1", Verdict::kMust,
       transfers, says_rcode(0)},
      {"WantsOneQuestion", "A query with no question, or with two, gets FORMERR.",
       "RFC 9619 section 4", Verdict::kMust, one_question, says_rcode(0)},
      {"RejectsNxname", "A query for NXNAME gets FORMERR, and is not forwarded.",
       "RFC 9824 section 3.5", Verdict::kMust, no_nxname, says_rcode(0)},
      {"KeepsClassesApart",
       "A name held here has no data in another class, nor in class ANY, and is not forwarded.",
       "RFC 1035 section 3.2.4", Verdict::kMust, other_classes, edits_query(ask_for_in)},
  };
}

}  // namespace meshdns::conformance
