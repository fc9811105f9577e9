// What a lease weighs, its key included: there may be a million of them.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/manual_clock.h"
#include "tests/support/service_label.h"
#include "vip/allocator.h"
#include "vip/key.h"
#include "vip/pool.h"

namespace meshdns::vip {
namespace {

constexpr std::uint32_t kLeases = 100000;

std::string key_of(std::uint32_t index) {
  return service_lease_key("default", support::service_label(index));
}

AddressPool pool(const std::string& text) {
  return AddressPool::create(IpPrefix::parse(text).value()).value();
}

class LeaseMemory : public testing::Test {
 protected:
  void acquire_all(Allocator& allocator) const {
    for (std::uint32_t i = 0; i < kLeases; ++i) {
      ASSERT_EQ(allocator.acquire(key_of(i)), Allocator::Grant::kChanged) << key_of(i);
    }
  }
  [[nodiscard]] std::size_t octets_per_lease() const {
    return (support::live_bytes() - before_) / kLeases;
  }

  support::ManualClock clock_;

 private:
  std::size_t before_ = support::live_bytes();
};

TEST_F(LeaseMemory, ALeaseWithBothAddressesWeighsAtMost110Octets) {
  Allocator allocator({pool("244.0.0.0/6"), pool("fd6d:6573:6864:6e73::/64")}, clock_);
  acquire_all(allocator);
  RecordProperty("octets_per_lease_both", std::to_string(octets_per_lease()));
  EXPECT_LE(octets_per_lease(), 110U);
}

TEST_F(LeaseMemory, ALeaseWithIpv4AloneWeighsAtMost82Octets) {
  Allocator allocator({pool("244.0.0.0/6"), std::nullopt}, clock_);
  acquire_all(allocator);
  RecordProperty("octets_per_lease_ipv4", std::to_string(octets_per_lease()));
  EXPECT_LE(octets_per_lease(), 82U);
}

TEST_F(LeaseMemory, LeasesThatWereWrittenAndReturnedWeighNoMoreThanBefore) {
  Allocator allocator({pool("244.0.0.0/6"), std::nullopt}, clock_);
  acquire_all(allocator);
  const std::size_t acquired = octets_per_lease();
  for (std::uint32_t i = 0; i < kLeases; ++i) {
    allocator.set_batch(key_of(i), 1);
    ASSERT_TRUE(allocator.release(key_of(i)));
  }
  allocator.forget_batches(1);
  acquire_all(allocator);
  clock_.advance(std::chrono::minutes(6));
  EXPECT_EQ(allocator.acquire(key_of(0)), Allocator::Grant::kHeld);
  EXPECT_LE(octets_per_lease(), acquired);
  EXPECT_EQ(allocator.active(), kLeases);
}

TEST_F(LeaseMemory, ForgottenLeasesWeighNothing) {
  Allocator allocator({pool("244.0.0.0/6"), std::nullopt}, clock_);
  acquire_all(allocator);
  for (std::uint32_t i = 0; i < kLeases; ++i) {
    ASSERT_TRUE(allocator.release(key_of(i)));
  }
  clock_.advance(std::chrono::minutes(6));
  EXPECT_EQ(allocator.forget_expired(), kLeases);
  EXPECT_LE(octets_per_lease(), 15U);  // the tables that found them
}

}  // namespace
}  // namespace meshdns::vip
