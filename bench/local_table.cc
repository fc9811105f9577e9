#include "bench/local_table.h"

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "bench/names_file.h"
#include "discovery/service.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"
#include "resolver/wire/sip_hash.h"

namespace meshdns::bench {
namespace {

constexpr std::uint32_t kTtlSeconds = 86'400;  // beyond any run
constexpr dns::HashKey kTableKey{.first = 1, .second = 2};

dns::SnapshotBuilder::Options table_options(const char* zone) {
  return {.owned_zones = {zone},
          .times = {.ttl = kTtlSeconds, .soa_minimum = kTtlSeconds, .instance_ttl = kTtlSeconds},
          .hash_key = kTableKey};
}

}  // namespace

Result<std::unique_ptr<const dns::Snapshot>> make_local_table(const NamesFile& names) {
  auto builder = dns::SnapshotBuilder::create(table_options("mesh."));
  if (!builder) {
    return tl::unexpected(std::move(builder).error());
  }
  std::uint32_t index = 0;
  for (const BenchName& name : names.present) {
    discovery::Service service;
    service.id = {.mesh = "default", .name = fmt::format("service-{}", index)};
    service.hostnames.push_back(dns::NameView(name.wire).to_text());
    const auto fallback = IpAddress(std::array<std::uint8_t, 4>{
        10, static_cast<std::uint8_t>(index >> 16U), static_cast<std::uint8_t>(index >> 8U),
        static_cast<std::uint8_t>(index)});
    const bool known = name.ipv4.rule == ExpectedAddress::Rule::kExactly;
    const bool known_ipv6 = name.ipv6.rule == ExpectedAddress::Rule::kExactly;
    (*builder)->upsert_service(
        service, {.addresses = {known ? name.ipv4.address : fallback,
                                known_ipv6 ? name.ipv6.address
                                           : IpAddress(std::array<std::uint8_t, 16>{0xfd})},
                  .withheld = false});
    ++index;
  }
  (*builder)->set_ready(true);
  return (*builder)->build();
}

Result<std::unique_ptr<const dns::Snapshot>> make_empty_table() {
  auto builder = dns::SnapshotBuilder::create(table_options("other."));
  if (!builder) {
    return tl::unexpected(std::move(builder).error());
  }
  (*builder)->set_ready(true);
  return (*builder)->build();
}

}  // namespace meshdns::bench
