// Any octets as a zone file and as a hosts file: an error that names a line, or records that every
// query can be answered from in a message that fits.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "fuzz/resolver/ldns_reading.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/app/static_files.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"

namespace {

using namespace meshdns;  // NOLINT(google-build-using-namespace): a program of one file

void check(bool kept) {
  if (!kept) {
    std::abort();
  }
}

std::vector<std::uint8_t> query_for(dns::NameView name, std::uint16_t type) {
  std::vector<std::uint8_t> query{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  query.insert(query.end(), name.octets().begin(), name.octets().end());
  query.insert(query.end(), {static_cast<std::uint8_t>(type >> 8U),
                             static_cast<std::uint8_t>(type & 0xffU), 0, 1});
  return query;
}

// As ldns reads it.
bool is_as_meant(std::span<const std::uint8_t> response, const dns::Query& query,
                 const dns::Outcome& outcome) {
  const auto difference = fuzz::compare_answer(
      response.first(outcome.size),
      {.id = query.id,
       .flags = static_cast<std::uint16_t>(dns::flag::kResponse | dns::flag::kRecursionAvailable |
                                           dns::flag::kRecursionDesired),
       .ignored = dns::flag::kAuthoritative | dns::flag::kTruncated,
       .rcode = outcome.rcode,
       .has_edns = query.has_edns,
       .question = query.question()});
  return difference.empty();
}

void ask(const dns::Snapshot& snapshot, dns::NameView name, std::uint16_t type) {
  static std::array<std::uint8_t, 65535> response;
  for (const auto transport : {dns::Transport::kUdp, dns::Transport::kTcp}) {
    dns::Query parsed;
    const auto outcome = dns::QueryHandler({}).handle(
        snapshot, query_for(name, type), transport, dns::ClientAccess::kAllowed, response, parsed);
    check(outcome.verdict != dns::Verdict::kAnswer || is_as_meant(response, parsed, outcome));
    check(outcome.size <= (transport == dns::Transport::kUdp ? 512 : response.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets as text
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto builder = dns::SnapshotBuilder::create({});
  for (const auto parse : {dns::parse_zone_file, dns::parse_hosts_file}) {
    const auto records = parse("file", text, 30);
    if (!records) {
      check(records.error().message.starts_with("file"));
      continue;
    }
    const auto made = dns::StaticRecords::create(*records, (*builder)->zones());
    if (!made) {
      check(made.error().message.starts_with("file:"));
      continue;
    }
    (*builder)->set_static_records(*made);
    const auto snapshot = (*builder)->build();
    for (const dns::StaticRecord& record : *records) {
      ask(*snapshot, record.owner, record.type);
      ask(*snapshot, record.owner, 1);
      ask(*snapshot, record.owner.view().parent(), 255);
    }
  }
  return 0;
}
