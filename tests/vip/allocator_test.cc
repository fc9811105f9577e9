#include "vip/allocator.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <ranges>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "tests/support/manual_clock.h"
#include "vip/lease_record.h"
#include "vip/pool.h"

namespace meshdns::vip {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Grant = Allocator::Grant;

AddressPool pool(const std::string& text) {
  return AddressPool::create(IpPrefix::parse(text).value()).value();
}

Allocator::Options with_pool(const std::string& ipv4) {
  return {pool(ipv4), std::nullopt, minutes(5)};
}

std::string address_of(const Allocator& allocator, const std::string& key) {
  const auto entry = allocator.find(key);
  return entry && entry->ipv4 ? entry->ipv4->to_string() : "none";
}

class AllocatorTest : public testing::Test {
 protected:
  support::ManualClock clock_;
};

TEST_F(AllocatorTest, GivesTheFirstCandidate) {
  Allocator allocator(with_pool("244.0.0.0/6"), clock_);
  EXPECT_EQ(allocator.acquire("default/service///backend"), Grant::kChanged);
  EXPECT_EQ(address_of(allocator, "default/service///backend"), "244.174.120.235");
  EXPECT_EQ(allocator.acquire("default/service///backend"), Grant::kHeld);
}

// In a pool in which none of the ten thousand collide, and in one in which some do.
TEST_F(AllocatorTest, GivesTheSameAddressesInAnyOrderButForCollisions) {
  std::vector<std::string> keys;
  for (int i = 0; i < 10000; ++i) {
    keys.push_back("default/service///s" + std::to_string(i));
  }
  for (const std::string block : {"244.0.0.0/6", "244.0.0.0/12"}) {
    Allocator forward(with_pool(block), clock_);
    Allocator backward(with_pool(block), clock_);
    Allocator shuffled(with_pool(block), clock_);
    std::ranges::for_each(keys, [&](const auto& key) { (void)forward.acquire(key); });
    std::ranges::for_each(std::views::reverse(keys),
                          [&](const auto& key) { (void)backward.acquire(key); });
    auto order = keys;
    std::ranges::shuffle(order, std::mt19937(9));
    std::ranges::for_each(order, [&](const auto& key) { (void)shuffled.acquire(key); });

    std::map<std::string, int> wanted;  // by how many keys
    const auto first_choice = [&](const auto& key) {
      return pool(block).candidate(key, 0).to_string();
    };
    std::ranges::for_each(keys, [&](const auto& key) { ++wanted[first_choice(key)]; });
    const auto collides = [&](const auto& key) { return wanted[first_choice(key)] > 1; };
    std::ranges::for_each(keys, [&](const auto& key) {
      const std::set<std::string> given{address_of(forward, key), address_of(backward, key),
                                        address_of(shuffled, key)};
      EXPECT_TRUE(given.size() == 1 || collides(key)) << block << ' ' << key;
    });
    // 10,000 keys make 0.75 pairs in 2^26 addresses and 48 in 2^20.
    const auto colliding = std::ranges::count_if(keys, collides);
    EXPECT_TRUE(block.ends_with("/6") ? colliding <= 10 : colliding >= 50 && colliding <= 150)
        << colliding;
  }
}

TEST_F(AllocatorTest, NeverGivesOneAddressTwiceAndExhaustsExactly) {
  Allocator allocator(with_pool("192.0.2.0/24"), clock_);
  std::set<std::string> seen;
  for (int i = 0; i < 254; ++i) {
    const std::string key = "k" + std::to_string(i);
    ASSERT_EQ(allocator.acquire(key), Grant::kChanged) << i;
    EXPECT_TRUE(seen.insert(address_of(allocator, key)).second);
  }
  EXPECT_EQ(allocator.acquire("one too many"), Grant::kExhausted);
  EXPECT_FALSE(allocator.find("one too many"));
  EXPECT_EQ(allocator.acquire("k17"), Grant::kHeld);
}

TEST_F(AllocatorTest, ReusesAnAddressOnlyAfterItsQuarantine) {
  Allocator allocator(with_pool("192.0.2.0/30"), clock_);
  (void)allocator.acquire("a");
  (void)allocator.acquire("b");
  const std::string freed = address_of(allocator, "a");
  EXPECT_TRUE(allocator.release("a"));
  EXPECT_FALSE(allocator.release("a"));
  EXPECT_EQ(allocator.acquire("c"), Grant::kExhausted);
  clock_.advance(minutes(5) - seconds(1));
  EXPECT_EQ(allocator.acquire("c"), Grant::kExhausted);
  clock_.advance(seconds(1));
  EXPECT_EQ(allocator.acquire("c"), Grant::kChanged);
  EXPECT_EQ(address_of(allocator, "c"), freed);
  EXPECT_FALSE(allocator.find("a"));
}

TEST_F(AllocatorTest, GivesAReturningKeyItsOldAddress) {
  Allocator allocator(with_pool("192.0.2.0/29"), clock_);
  (void)allocator.acquire("a");
  const std::string address = address_of(allocator, "a");
  (void)allocator.release("a");
  EXPECT_EQ(allocator.acquire("a"), Grant::kChanged);
  EXPECT_EQ(address_of(allocator, "a"), address);
  // Also long after the quarantine, while nobody needed the address.
  (void)allocator.release("a");
  clock_.advance(minutes(60));
  EXPECT_EQ(allocator.acquire("a"), Grant::kChanged);
  EXPECT_EQ(address_of(allocator, "a"), address);
  // The quarantine of the earlier release does not end the lease.
  EXPECT_EQ(allocator.active(), 1U);
}

TEST_F(AllocatorTest, NamesTheHolderOfAnAddressUntilItsQuarantineIsOver) {
  Allocator allocator(with_pool("192.0.2.0/24"), clock_);
  ASSERT_EQ(allocator.acquire("a"), Grant::kChanged);
  const IpAddress address = *allocator.find("a")->ipv4;
  EXPECT_EQ(allocator.holder(address), "a");
  ASSERT_TRUE(allocator.release("a"));
  clock_.advance(minutes(5) - std::chrono::nanoseconds(1));
  EXPECT_EQ(allocator.holder(address), "a");
  clock_.advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(allocator.holder(address), std::nullopt);
  // It gets the address back, since nobody else needed it.
  ASSERT_EQ(allocator.acquire("a"), Grant::kChanged);
  EXPECT_EQ(allocator.holder(address), "a");
}

TEST_F(AllocatorTest, DoesNotLetAnOldQuarantineFreeALaterRelease) {
  Allocator allocator(with_pool("192.0.2.0/30"), clock_);
  (void)allocator.acquire("a");
  (void)allocator.acquire("b");
  (void)allocator.release("a");
  clock_.advance(minutes(4));
  (void)allocator.acquire("a");
  (void)allocator.release("a");
  clock_.advance(minutes(2));  // the first release's quarantine is over, the second's is not
  EXPECT_EQ(allocator.acquire("c"), Grant::kExhausted);
}

TEST_F(AllocatorTest, RestoresARecordedHistoryAndBeginsQuarantinesAnew) {
  Allocator allocator(with_pool("192.0.2.0/30"), clock_);
  const auto first = *IpAddress::parse("192.0.2.1");
  const auto second = *IpAddress::parse("192.0.2.2");
  allocator.restore({LeaseState::kActive, first, std::nullopt, "a"});
  allocator.restore({LeaseState::kActive, second, std::nullopt, "b"});
  allocator.restore({LeaseState::kReleased, first, std::nullopt, "a"});
  EXPECT_EQ(allocator.active(), 1U);
  EXPECT_EQ(allocator.acquire("c"), Grant::kExhausted);
  clock_.advance(minutes(5));
  EXPECT_EQ(allocator.acquire("c"), Grant::kChanged);
  EXPECT_EQ(address_of(allocator, "c"), "192.0.2.1");
  EXPECT_EQ(address_of(allocator, "b"), "192.0.2.2");
}

TEST_F(AllocatorTest, BelievesTheNewestRecordAboutAnAddress) {
  Allocator allocator(with_pool("192.0.2.0/30"), clock_);
  const auto address = *IpAddress::parse("192.0.2.1");
  allocator.restore({LeaseState::kActive, address, std::nullopt, "a"});
  allocator.restore({LeaseState::kActive, address, std::nullopt, "b"});
  EXPECT_FALSE(allocator.find("a"));
  EXPECT_EQ(address_of(allocator, "b"), "192.0.2.1");
  EXPECT_EQ(allocator.active(), 1U);
  EXPECT_EQ(allocator.acquire("c"), Grant::kChanged);
  EXPECT_EQ(allocator.acquire("d"), Grant::kExhausted);
}

TEST_F(AllocatorTest, LeavesLeasesOfAFormerPoolWhereTheyAre) {
  Allocator allocator(with_pool("192.0.2.0/29"), clock_);
  allocator.restore({LeaseState::kActive, IpAddress::parse("198.51.100.7"), std::nullopt, "old"});
  EXPECT_EQ(allocator.acquire("old"), Grant::kHeld);
  EXPECT_EQ(address_of(allocator, "old"), "198.51.100.7");
}

TEST_F(AllocatorTest, AllocatesBothFamiliesAndAddsOneThatIsConfiguredLater) {
  Allocator both({pool("192.0.2.0/29"), pool("fd00::/64"), minutes(5)}, clock_);
  both.restore({LeaseState::kActive, IpAddress::parse("192.0.2.3"), std::nullopt, "a"});
  EXPECT_EQ(both.acquire("a"), Grant::kChanged);
  EXPECT_EQ(address_of(both, "a"), "192.0.2.3");
  EXPECT_TRUE(both.find("a")->ipv6);
}

TEST_F(AllocatorTest, ForgetsOnlyWhatIsOutOfQuarantine) {
  Allocator allocator(with_pool("192.0.2.0/24"), clock_);
  (void)allocator.acquire("a");
  (void)allocator.acquire("b");
  (void)allocator.release("a");
  EXPECT_EQ(allocator.forget_expired(), 0U);
  clock_.advance(minutes(5));
  EXPECT_EQ(allocator.forget_expired(), 1U);
  EXPECT_FALSE(allocator.find("a"));
  EXPECT_TRUE(allocator.find("b"));
}

// An oracle of its own keeps what every key was ever given and checks the allocator against it.
TEST_F(AllocatorTest, KeepsItsPromisesUnderRandomChurn) {
  Allocator allocator(with_pool("192.0.2.0/26"), clock_);
  std::map<std::string, std::string> held;         // key to address
  std::map<std::string, TimePoint> released_at;    // address to time
  std::map<std::string, std::string> last_holder;  // address to key
  std::uint32_t random = 12345;
  for (int step = 0; step < 20000; ++step) {
    random = random * 1664525U + 1013904223U;
    const std::string key = "k" + std::to_string(random >> 16U & 0x7fU);
    if (held.contains(key)) {
      ASSERT_EQ(address_of(allocator, key), held[key]);
      ASSERT_TRUE(allocator.release(key));
      released_at[held[key]] = clock_.now();
      last_holder[held[key]] = key;
      held.erase(key);
    } else if (allocator.acquire(key) == Grant::kChanged) {
      const std::string address = address_of(allocator, key);
      for (const auto& [other, others_address] : held) {
        ASSERT_NE(others_address, address);
      }
      if (released_at.contains(address) && last_holder[address] != key) {
        ASSERT_GE(clock_.now() - released_at[address], minutes(5));
      }
      held[key] = address;
    } else {
      ASSERT_GE(allocator.active() + allocator.released(), 62U);
    }
    clock_.advance(seconds(random >> 8U & 0x3U));
  }
  EXPECT_EQ(allocator.active(), held.size());
}

}  // namespace
}  // namespace meshdns::vip
