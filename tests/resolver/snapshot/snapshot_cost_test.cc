// What a table of 100,000 names weighs and what one change of it costs.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"

namespace meshdns::dns {
namespace {

constexpr std::uint32_t kNames = 100000;

// 244.0.0.0 and so many more.
IpAddress vip(std::uint32_t index) {
  const std::array<std::uint8_t, 4> octets{244, static_cast<std::uint8_t>(index >> 16U),
                                           static_cast<std::uint8_t>(index >> 8U),
                                           static_cast<std::uint8_t>(index)};
  return IpAddress(octets);
}

IpAddress vip6(std::uint32_t index) {
  std::array<std::uint8_t, 16> octets{0xfd};
  octets[13] = static_cast<std::uint8_t>(index >> 16U);
  octets[14] = static_cast<std::uint8_t>(index >> 8U);
  octets[15] = static_cast<std::uint8_t>(index);
  return IpAddress(octets);
}

discovery::Service service(std::uint32_t index) {
  discovery::Service made;
  made.id = {"default", "service-" + std::to_string(index)};
  made.hostnames = {"service-" + std::to_string(index) + ".mesh"};
  return made;
}

class SnapshotCost : public testing::Test {
 protected:
  static std::unique_ptr<SnapshotBuilder> make(bool both_families) {
    auto builder = SnapshotBuilder::create(
        {.owned_zones = {"mesh."},
         .vip_pools = {*IpPrefix::parse("244.0.0.0/6"), *IpPrefix::parse("fd00::/64")},
         .times = {},
         .hash_key = HashKey{1, 2}});
    for (std::uint32_t i = 0; i < kNames; ++i) {
      NameAddresses addresses{.addresses = {vip(i)}};
      if (both_families) {
        addresses.addresses.push_back(vip6(i));
      }
      (*builder)->upsert_service(service(i), addresses);
    }
    return std::move(*builder);
  }
};

TEST_F(SnapshotCost, OneChangeAmong100000NamesTouchesAtMostFourPages) {
  const auto builder = make(false);
  auto snapshot = builder->build();
  std::size_t most = 0;
  std::size_t added = 0;
  constexpr std::uint32_t kRounds = 1000;
  const auto build = [&] {
    snapshot = builder->build();
    most = std::max(most, builder->build_stats().pages.pages_touched());
    added += builder->build_stats().pages.pages_added;
  };
  for (std::uint32_t i = 0; i < kRounds; ++i) {
    builder->upsert_service(service(kNames + i), {.addresses = {vip(kNames + i)}});
    build();
    EXPECT_LE(most, 4) << "a service was added";
    builder->upsert_service(service(i), {.addresses = {vip(2 * kNames + i)}});
    build();
    EXPECT_LE(most, 4) << "an address was changed";
    builder->remove_service(service(kNames / 2 + i).id);
    build();
    EXPECT_LE(most, 4) << "a service was removed";
  }
  // A full page is written as two: once in dozens of additions, amortised.
  EXPECT_LT(added, kRounds / 10);
  EXPECT_EQ(builder->build_stats().owners, kNames);
}

TEST_F(SnapshotCost, PointersLeftBehindByChangedAddressesStayFew) {
  const auto builder = make(false);
  auto snapshot = builder->build();
  for (std::uint32_t i = 0; i < 20000; ++i) {
    builder->upsert_service(service(i), {.addresses = {vip(2 * kNames + i)}});
    snapshot = builder->build();
  }
  // 1,024 and a sixteenth of the pointers, themselves included; see SnapshotBuilder.
  EXPECT_LE(builder->build_stats().entries, 2 * kNames + (1024 * 16 + kNames) / 15 + 1);
}

TEST_F(SnapshotCost, ANameWithBothAddressesAndItsPointersWeighsAtMost300Octets) {
  const auto v4 = make(false)->build();
  const auto both = make(true)->build();
  const auto weigh = [](const Snapshot& snapshot) {
    return snapshot.tables().names.memory_bytes() + snapshot.tables().pointers.memory_bytes();
  };
  const std::size_t v4_bytes = weigh(*v4) / kNames;
  const std::size_t both_bytes = weigh(*both) / kNames;
  RecordProperty("octets_per_name_ipv4", std::to_string(v4_bytes));
  RecordProperty("octets_per_name_both", std::to_string(both_bytes));
  EXPECT_LE(v4_bytes, 220) << "A and PTR";
  EXPECT_LE(both_bytes, 300) << "A, AAAA and two PTRs";
}

}  // namespace
}  // namespace meshdns::dns
