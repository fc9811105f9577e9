// What a name weighs, in the snapshot that answers and in the builder that makes the next one.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/service_label.h"

namespace meshdns::dns {
namespace {

constexpr std::uint32_t kNames = 100000;

// Number `index` of 244.0.0.0/8.
IpAddress vip(std::uint32_t index) {
  return IpAddress(std::array{std::uint8_t{244}, static_cast<std::uint8_t>(index >> 16U),
                              static_cast<std::uint8_t>(index >> 8U),
                              static_cast<std::uint8_t>(index)});
}

// Of fd00::/64.
IpAddress vip6(std::uint32_t index) {
  std::array<std::uint8_t, 16> octets{0xfd};
  octets[13] = static_cast<std::uint8_t>(index >> 16U);
  octets[14] = static_cast<std::uint8_t>(index >> 8U);
  octets[15] = static_cast<std::uint8_t>(index);
  return IpAddress(octets);
}

// Octets for each name, which is 9 to 40 octets long.
struct Weights {
  std::size_t snapshot = 0;
  std::size_t builder = 0;  // beside what it shares with the snapshot
};

Weights weigh(bool both_families) {
  const std::size_t before = support::live_bytes();
  auto builder = *SnapshotBuilder::create(
      {.owned_zones = {"mesh."},
       .vip_pools = {*IpPrefix::parse("244.0.0.0/6"), *IpPrefix::parse("fd00::/64")},
       .times = {},
       .hash_key = HashKey{1, 2}});
  for (std::uint32_t i = 0; i < kNames; ++i) {
    const std::string label = support::service_label(i);
    discovery::Service service;
    service.id = {"default", label};
    service.hostnames = {label + ".mesh"};
    NameAddresses addresses{.addresses = {vip(i)}};
    if (both_families) {
      addresses.addresses.push_back(vip6(i));
    }
    builder->upsert_service(service, addresses);
  }
  auto snapshot = builder->build();
  const std::size_t both = support::live_bytes() - before;
  builder.reset();
  Weights weights;
  weights.snapshot = (support::live_bytes() - before) / kNames;
  weights.builder = both / kNames - weights.snapshot;
  snapshot.reset();
  EXPECT_LT(support::live_bytes(), before + kNames) << "something stays";
  return weights;
}

TEST(SnapshotMemory, ANameWithBothAddressesWeighsAtMost215OctetsAndInTheBuilder235) {
  const Weights weights = weigh(true);
  RecordProperty("snapshot_octets_per_name_both", std::to_string(weights.snapshot));
  RecordProperty("builder_octets_per_name_both", std::to_string(weights.builder));
  EXPECT_LE(weights.snapshot, 215U);
  EXPECT_LE(weights.builder, 235U);
}

TEST(SnapshotMemory, ANameWithIpv4AloneWeighsAtMost165OctetsAndInTheBuilder200) {
  const Weights weights = weigh(false);
  RecordProperty("snapshot_octets_per_name_ipv4", std::to_string(weights.snapshot));
  RecordProperty("builder_octets_per_name_ipv4", std::to_string(weights.builder));
  EXPECT_LE(weights.snapshot, 165U);
  EXPECT_LE(weights.builder, 200U);
}

}  // namespace
}  // namespace meshdns::dns
