#include "resolver/server/connection_limits.h"

#include <gtest/gtest.h>

#include "base/ip_address.h"

namespace meshdns::dns {
namespace {

TEST(ConnectionLimits, BoundEachClientAndAll) {
  const IpAddress first = IpAddress::parse("192.0.2.1").value();
  const IpAddress second = IpAddress::parse("192.0.2.2").value();
  ConnectionLimits limits({.total = 3, .per_client = 2});
  EXPECT_EQ(limits.admit(first), Admission::kAdmitted);
  EXPECT_EQ(limits.admit(first), Admission::kAdmitted);
  EXPECT_EQ(limits.admit(first), Admission::kClientReached);
  EXPECT_EQ(limits.admit(second), Admission::kAdmitted);
  EXPECT_EQ(limits.admit(second), Admission::kTotalReached);
  EXPECT_EQ(limits.open(), 3U);
  limits.release(first);
  EXPECT_EQ(limits.admit(second), Admission::kAdmitted);
  limits.release(IpAddress::parse("192.0.2.9").value());  // holds none
  EXPECT_EQ(limits.open(), 3U);
}

TEST(ConnectionLimits, LetLoopbackUseTheTotal) {
  const IpAddress loopback = IpAddress::parse("127.0.0.1").value();
  ConnectionLimits limits({.total = 3, .per_client = 1});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limits.admit(loopback), Admission::kAdmitted);
  }
  EXPECT_EQ(limits.admit(loopback), Admission::kTotalReached);
  limits.release(loopback);
  EXPECT_EQ(limits.open(), 2U);
}

}  // namespace
}  // namespace meshdns::dns
