#include "resolver/resolve/in_flight_limits.h"

#include <gtest/gtest.h>

#include "base/ip_address.h"

namespace meshdns::dns {
namespace {

const IpAddress kFirst = IpAddress::parse("192.0.2.1").value();
const IpAddress kSecond = IpAddress::parse("2001:db8::2").value();
const IpAddress kLoopback = IpAddress::parse("127.0.0.1").value();

TEST(InFlightLimits, BoundEachClientAndAll) {
  InFlightLimits limits({.total = 3, .per_client = 2});
  EXPECT_TRUE(limits.acquire(kFirst));
  EXPECT_TRUE(limits.acquire(kFirst));
  EXPECT_FALSE(limits.acquire(kFirst)) << "over its own bound";
  EXPECT_TRUE(limits.acquire(kSecond));
  EXPECT_FALSE(limits.acquire(kSecond)) << "over the bound of all";
  EXPECT_EQ(limits.in_flight(), 3U);
  limits.release(kFirst);
  EXPECT_TRUE(limits.acquire(kSecond));
  EXPECT_FALSE(limits.acquire(kFirst));
}

TEST(InFlightLimits, LetLoopbackUseTheTotal) {
  InFlightLimits limits({.total = 3, .per_client = 1});
  EXPECT_TRUE(limits.acquire(kLoopback));
  EXPECT_TRUE(limits.acquire(kLoopback));
  EXPECT_TRUE(limits.acquire(kLoopback));
  EXPECT_FALSE(limits.acquire(kLoopback));
  limits.release(kLoopback);
  EXPECT_TRUE(limits.acquire(kFirst));
}

}  // namespace
}  // namespace meshdns::dns
