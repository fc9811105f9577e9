#include "bench/local_table.h"

#include <cstdint>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "bench/names_file.h"
#include "discovery/service.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"
#include "vip/default_pools.h"
#include "vip/pool.h"

namespace meshdns::bench {
namespace {

constexpr std::uint32_t kTtlSeconds = 86'400;  // beyond any run
constexpr HashKey kTableKey{.first = 1, .second = 2};

struct Pools {
  vip::AddressPool ipv4 =
      vip::AddressPool::create(IpPrefix::parse(vip::kDefaultIpv4Pool).value()).value();
  vip::AddressPool ipv6 =
      vip::AddressPool::create(IpPrefix::parse(vip::kDefaultIpv6Pool).value()).value();
};

Result<std::unique_ptr<dns::SnapshotBuilder>> make_builder(const char* zone, const Pools& pools) {
  return dns::SnapshotBuilder::create(
      {.owned_zones = {zone},
       .vip_pools = {pools.ipv4.prefix(), pools.ipv6.prefix()},
       .times = {.ttl = kTtlSeconds, .soa_minimum = kTtlSeconds, .instance_ttl = kTtlSeconds},
       .hash_key = kTableKey});
}

void settle(ExpectedAddress& expected, const vip::AddressPool& pool, std::uint64_t index) {
  if (expected.rule == ExpectedAddress::Rule::kAny) {
    expected = {.rule = ExpectedAddress::Rule::kExactly, .address = pool.at(index)};
  }
}

}  // namespace

Result<std::unique_ptr<const dns::Snapshot>> make_local_table(NamesFile& names) {
  const Pools pools;
  auto builder = make_builder("mesh.", pools);
  if (!builder) {
    return tl::unexpected(std::move(builder).error());
  }
  std::uint64_t index = 0;
  for (BenchName& name : names.present) {
    settle(name.ipv4, pools.ipv4, index);
    settle(name.ipv6, pools.ipv6, index);
    discovery::Service service;
    service.id = {.mesh = "default", .name = fmt::format("service-{}", index)};
    service.hostnames.push_back(dns::NameView(name.wire).to_text());
    dns::NameAddresses addresses;
    for (const ExpectedAddress& expected : {name.ipv4, name.ipv6}) {
      if (expected.rule == ExpectedAddress::Rule::kExactly) {
        addresses.addresses.push_back(expected.address);
      }
    }
    (*builder)->upsert_service(service, addresses);
    ++index;
  }
  (*builder)->set_ready(true);
  return (*builder)->build();
}

Result<std::unique_ptr<const dns::Snapshot>> make_empty_table() {
  auto builder = make_builder("other.", {});
  if (!builder) {
    return tl::unexpected(std::move(builder).error());
  }
  (*builder)->set_ready(true);
  return (*builder)->build();
}

}  // namespace meshdns::bench
