// A client's request, parsed and answered from a small table; ldns reads both the same.
//
// Input: one octet of choices (1 TCP, 2 refused client, 4 small buffer), then the request.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "fuzz/require.h"
#include "fuzz/resolver/ldns_reading.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/message_reader.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"

namespace dns = meshdns::dns;
using meshdns::IpAddress;
using meshdns::IpPrefix;

namespace {

using meshdns::fuzz::require;
using meshdns::fuzz::require_same;

std::unique_ptr<const dns::Snapshot> make_snapshot() {
  const auto builder = std::move(*dns::SnapshotBuilder::create(
      {.owned_zones = {"mesh.", "a."},
       .vip_pools = {*IpPrefix::parse("244.0.0.0/6"), *IpPrefix::parse("fd00::/64")},
       .times = {},
       .hash_key = meshdns::HashKey{1, 2}}));
  const auto add = [&builder](const std::string& name, std::vector<std::string> hostnames,
                              const std::vector<std::string>& addresses) {
    meshdns::discovery::Service service;
    service.id = {"default", name};
    service.hostnames = std::move(hostnames);
    dns::NameAddresses given{.addresses = {}, .withheld = addresses.empty()};
    given.addresses.reserve(addresses.size());
    for (const std::string& address : addresses) {
      given.addresses.push_back(*IpAddress::parse(address));
    }
    builder->upsert_service(service, given);
  };
  std::vector<std::string> many;
  many.reserve(90);
  for (int i = 0; i < 90; ++i) {
    many.push_back("244.1.0." + std::to_string(i));
  }
  add("web", {"web.mesh", "a.b.web2.mesh"}, {"244.0.0.1", "fd00::1"});
  add("many", {"many.mesh", "m.a"}, many);
  add("held", {"held.mesh", "h.a"}, {});
  add("external", {"api.example.org", "b"}, {"192.0.2.1"});
  builder->set_ready(true);
  builder->set_ready(*dns::Name::from_text("a."), false);
  return builder->build();
}

// What every answer must be, whatever was asked.
void check_answer(const dns::Query& query, const std::vector<std::uint8_t>& answer,
                  std::uint8_t rcode) {
  constexpr unsigned kEchoed =
      dns::flag::kOpcodeMask | dns::flag::kRecursionDesired | dns::flag::kCheckingDisabled;
  require_same(meshdns::fuzz::compare_answer(
      answer, {.id = query.id,
               .flags = static_cast<std::uint16_t>(
                   dns::flag::kResponse | dns::flag::kRecursionAvailable | (query.flags & kEchoed)),
               .ignored = dns::flag::kAuthoritative | dns::flag::kTruncated,
               .rcode = rcode,
               .has_edns = query.has_edns,
               .question = query.question()}));
  const dns::MessageReader reader(answer);
  require(reader.ok() && reader.header().id == query.id);
  require((reader.header().flags & dns::flag::kResponse) != 0);
  require((reader.header().flags & dns::flag::kOpcodeMask) ==
          (query.flags & dns::flag::kOpcodeMask));
  require(reader.header().question_count == (query.has_question ? 1 : 0));
  const dns::ReplyStatus status = dns::inspect_reply(answer);
  require(status.parses && status.has_edns == query.has_edns);
  if (query.has_question) {
    require(std::equal(query.question().begin(), query.question().end(), answer.begin() + 12));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<const dns::Snapshot> kSnapshot = make_snapshot();
  static const dns::QueryHandler kHandler({});
  if (size == 0) {
    return 0;
  }
  const unsigned choices = data[0];
  const std::vector<std::uint8_t> request(data + 1, data + size);
  const auto transport = (choices & 1U) != 0 ? dns::Transport::kTcp : dns::Transport::kUdp;
  const auto access =
      (choices & 2U) != 0 ? dns::ClientAccess::kRefused : dns::ClientAccess::kAllowed;
  std::vector<std::uint8_t> response((choices & 4U) != 0 ? 512 : 65535);
  dns::Query query;
  const dns::Outcome outcome =
      kHandler.handle(*kSnapshot, request, transport, access, response, query);
  require_same(meshdns::fuzz::compare_query(request, query));
  if (outcome.verdict == dns::Verdict::kAnswer) {
    require(outcome.size <= response.size());
    require(transport == dns::Transport::kTcp || outcome.size <= query.udp_payload_size);
    response.resize(outcome.size);
    check_answer(query, response, outcome.rcode);
    // Its address may be forged: nothing is amplified.
    require(access == dns::ClientAccess::kAllowed || response.size() <= request.size());
  } else if (outcome.verdict == dns::Verdict::kForward) {
    require(query.status == dns::ParseStatus::kOk && query.has_question);
    std::vector<std::uint8_t> upstream(dns::kMaxUpstreamQueryOctets);
    upstream.resize(dns::write_upstream_query(query, 7, 1232, upstream));
    dns::Query parsed;
    require(dns::parse_query(upstream, parsed) == dns::ParseStatus::kOk);
    require(parsed.name == query.name);
  }
  return 0;
}
