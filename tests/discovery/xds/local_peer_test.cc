#include "discovery/xds/local_peer.h"

#include <optional>

#include <gtest/gtest.h>

#include "base/ip_address.h"

namespace meshdns::discovery {
namespace {

TEST(LocalPeer, IsOnLoopbackOrAUnixSocket) {
  for (const char* const peer :
       {"ipv4:127.0.0.1:40000", "ipv4:127.8.8.8:1", "ipv6:%5B::1%5D:40000", "ipv6:[::1]:40000",
        "ipv6:%5B::ffff:127.0.0.1%5D:40000", "unix:", "unix:/run/x.sock", "unix-abstract:x"}) {
    EXPECT_TRUE(is_local_peer(peer)) << peer;
  }
}

TEST(LocalPeer, IsNothingElse) {
  for (const char* const peer :
       {"", "unknown", "ipv4:", "ipv6:", "ipv4:192.0.2.1:40000", "ipv6:%5B2001:db8::1%5D:40000",
        "ipv6:%5B::ffff:192.0.2.1%5D:40000", "ipv6:%5Bfe80::1%25lo%5D:40000", "ipv4:127.0.0.1",
        "ipv4:127.0.0.1.example.org:1", "127.0.0.1:40000", "vsock:1:2", "ipv6:%5B::1"}) {
    EXPECT_FALSE(is_local_peer(peer)) << peer;
  }
}

TEST(AddressOfPeer, IsThatOfATcpConnectionWithoutItsScope) {
  EXPECT_EQ(address_of_peer("ipv4:192.0.2.1:40000"),
            SocketAddress::parse("192.0.2.1:40000").value());
  EXPECT_EQ(address_of_peer("ipv6:%5B2001:db8::1%5D:1"),
            SocketAddress::parse("[2001:db8::1]:1").value());
  EXPECT_EQ(address_of_peer("ipv6:%5Bfe80::1%25eth0%5D:1"),
            SocketAddress::parse("[fe80::1]:1").value());
  EXPECT_EQ(address_of_peer("unix:/run/x.sock"), std::nullopt);
  EXPECT_EQ(address_of_peer("ipv6:%5B::1"), std::nullopt);
}

}  // namespace
}  // namespace meshdns::discovery
