#include "resolver/server/access_list.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/answer/query_handler.h"

namespace meshdns::dns {
namespace {

struct AccessCase {
  std::string client;
  bool allowed;
};

class AccessListCheck : public ::testing::TestWithParam<AccessCase> {};

TEST_P(AccessListCheck, DecidesByAddress) {
  const AccessList list(
      {IpAddress::parse("2001:db8::5").value(), IpAddress::parse("192.0.2.5").value()},
      {IpPrefix::parse("198.51.100.0/24").value(), IpPrefix::parse("2001:db8:1::/48").value()});
  const ClientAccess access = list.check(IpAddress::parse(GetParam().client).value());
  EXPECT_EQ(access == ClientAccess::kAllowed, GetParam().allowed);
}

INSTANTIATE_TEST_SUITE_P(
    Clients, AccessListCheck,
    ::testing::Values(AccessCase{"127.0.0.1", true}, AccessCase{"127.8.9.10", true},
                      AccessCase{"::1", true}, AccessCase{"::ffff:127.0.0.1", true},
                      AccessCase{"192.0.2.5", true}, AccessCase{"::ffff:192.0.2.5", true},
                      AccessCase{"192.0.2.6", false}, AccessCase{"2001:db8::5", true},
                      AccessCase{"2001:db8::6", false}, AccessCase{"198.51.100.255", true},
                      AccessCase{"198.51.101.0", false}, AccessCase{"2001:db8:1:ffff::1", true},
                      AccessCase{"2001:db8:2::", false}, AccessCase{"0.0.0.0", false},
                      AccessCase{"::", false}, AccessCase{"::127.0.0.1", false}));

TEST(AccessList, AllowsLoopbackAloneByDefault) {
  const AccessList list;
  EXPECT_EQ(list.check(IpAddress::parse("127.0.0.1").value()), ClientAccess::kAllowed);
  EXPECT_EQ(list.check(IpAddress::parse("192.0.2.1").value()), ClientAccess::kRefused);
}

// A packet filter that sends programs' questions to us leaves them the host's address.
TEST(AccessList, CountsTheHostItselfAsOneClientWhateverItsAddress) {
  const AccessList list({IpAddress::parse("192.0.2.5").value()},
                        {IpPrefix::parse("198.51.100.0/24").value()});
  for (const char* const own : {"127.0.0.1", "127.8.9.10", "::1", "192.0.2.5"}) {
    EXPECT_TRUE(list.counted_as(IpAddress::parse(own).value()).is_loopback()) << own;
  }
  const IpAddress other = IpAddress::parse("198.51.100.7").value();
  EXPECT_EQ(list.counted_as(other), other);
  EXPECT_EQ(list.counted_as(IpAddress::parse("::ffff:198.51.100.7").value()), other);
}

TEST(AccessList, FindsTheHostsAddresses) {
  const auto addresses = read_host_addresses();
  ASSERT_TRUE(addresses);
  EXPECT_THAT(*addresses, ::testing::Contains(IpAddress::parse("127.0.0.1").value()));
}

}  // namespace
}  // namespace meshdns::dns
