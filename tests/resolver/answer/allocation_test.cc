// The answered path allocates nothing: counted by operator new itself.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/dns_message.h"

namespace meshdns::dns {
namespace {

using support::make_query;
using support::Octets;

constexpr std::size_t kAnswers = 1'000'000;

// Too long for its entry in the table.
constexpr const char* kLongName = "a-name-of-more-than-thirty-two-octets-as-many-are.x.mesh";

TEST(Allocations, AreNotMadeByAnsweringQueries) {
  const auto builder = *SnapshotBuilder::create(
      {.owned_zones = {"mesh."}, .vip_pools = {*IpPrefix::parse("244.0.0.0/6")}});
  discovery::Service service;
  service.id = {"default", "web"};
  service.hostnames = {"web.mesh", kLongName};
  NameAddresses addresses;
  for (unsigned i = 1; i < 20; ++i) {
    addresses.addresses.push_back(*IpAddress::parse("244.0.0." + std::to_string(i)));
  }
  builder->upsert_service(service, addresses);
  builder->set_ready(true);
  const auto snapshot = builder->build();
  const QueryHandler handler({});
  const std::vector<Octets> requests{
      make_query("wEb.mesh", 1),
      make_query("web.mesh", 1, {.edns = 1232}),
      make_query(kLongName, 28, {.edns = 1232}),
      make_query("x.mesh", 1),
      make_query("nope.mesh", 1, {.edns = 1232}),
      make_query("mesh", 6),
      make_query("web.mesh", 255),
      make_query("1.0.0.244.in-addr.arpa", 12),
      make_query("9.9.9.244.in-addr.arpa", 12),
      make_query("localhost", 1),
      make_query("example.org", 1),
      make_query("web.mesh", 252),
      make_query("web.mesh", 1, {.flags = 0x7900}),
      Octets(12, 0),
  };
  // An answer of upstream, written anew.
  const Octets reply = support::MessageBytes()
                           .header(1, 0x8180, 1, 1, 0, 0)
                           .question("example.org", 15)
                           .record("example.org", 15, 60,
                                   support::MessageBytes().u16(10).name("mx.example.org").bytes())
                           .bytes();
  Query client;
  (void)parse_query(make_query("example.org", 15), client);

  Query query;
  std::array<std::uint8_t, 4096> response{};
  std::size_t answered = 0;
  const std::size_t rounds = kAnswers / requests.size() + 1;
  const std::size_t before = support::allocation_count();
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const Octets& request : requests) {
      const Outcome outcome = handler.handle(*snapshot, request, Transport::kUdp,
                                             ClientAccess::kAllowed, response, query);
      answered += outcome.verdict == Verdict::kAnswer ? 1U : 0U;
    }
    answered += rebuild_reply(reply, client, {}, response).status == RebuildStatus::kOk ? 1U : 0U;
  }
  EXPECT_EQ(support::allocation_count() - before, 0);
  EXPECT_EQ(answered, rounds * requests.size());  // one is forwarded, and the rebuilt reply
  EXPECT_GT(before, 0);                           // the counter counts
}

}  // namespace
}  // namespace meshdns::dns
