#include "discovery/xds/local_peer.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace meshdns::discovery
