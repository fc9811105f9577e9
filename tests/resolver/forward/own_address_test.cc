#include "resolver/forward/own_address.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"

namespace meshdns::dns {
namespace {

struct OwnCase {
  std::string server;
  std::string listening;
  bool own;
};

class OwnAddress : public ::testing::TestWithParam<OwnCase> {};

TEST_P(OwnAddress, IsRefusedAsUpstream) {
  const std::vector<SocketAddress> servers = {SocketAddress::parse(GetParam().server, 53).value()};
  const std::vector<SocketAddress> listening = {
      SocketAddress::parse(GetParam().listening, 53).value()};
  const std::vector<IpAddress> host = {IpAddress::parse("192.0.2.7").value(),
                                       IpAddress::parse("2001:db8::7").value()};
  const UpstreamChoice choice = part_own_addresses(servers, listening, host);
  EXPECT_EQ(choice.refused.size(), GetParam().own ? 1U : 0U);
  EXPECT_EQ(choice.usable.size(), GetParam().own ? 0U : 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, OwnAddress,
    ::testing::Values(
        OwnCase{"127.0.0.1", "127.0.0.1", true}, OwnCase{"127.0.0.1:54", "127.0.0.1", false},
        OwnCase{"127.0.0.53", "127.0.0.1", false}, OwnCase{"0.0.0.0", "127.0.0.1", true},
        OwnCase{"[::1]:53", "127.0.0.1", false},
        OwnCase{"[::ffff:127.0.0.1]:53", "127.0.0.1", true}, OwnCase{"127.0.0.53", "0.0.0.0", true},
        OwnCase{"192.0.2.7", "0.0.0.0", true}, OwnCase{"192.0.2.8", "0.0.0.0", false},
        OwnCase{"[2001:db8::7]:53", "0.0.0.0", false}, OwnCase{"[2001:db8::7]:53", "[::]:53", true},
        OwnCase{"[::1]:53", "[::]:53", true}, OwnCase{"192.0.2.7", "192.0.2.7", true}));

}  // namespace
}  // namespace meshdns::dns
