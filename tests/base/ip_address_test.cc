#include "base/ip_address.h"

#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace meshdns {
namespace {

TEST(IpAddress, RoundTripsThroughText) {
  for (const std::string text :
       {"0.0.0.0", "244.0.0.1", "255.255.255.255", "::", "::1", "fd6d:6573:6864:6e73::5"}) {
    ASSERT_TRUE(IpAddress::parse(text)) << text;
    EXPECT_EQ(IpAddress::parse(text)->to_string(), text);
  }
}

TEST(IpAddress, RejectsWhatIsNoPlainAddress) {
  for (const std::string text : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4x", "1.2.3.256", "fe80::1%lo",
                                 "[::1]", "1.2.3.4:53", "::1::", " 1.2.3.4"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string("1.2.3.4\0x", 9)));
}

TEST(IpAddress, KnowsLoopbackUnspecifiedAndMapped) {
  EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("1::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1")->unmapped().to_string(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:db8::1")->unmapped().to_string(), "2001:db8::1");
}

TEST(IpPrefix, ContainsExactlyItsBlock) {
  const auto pool = IpPrefix::parse("244.0.0.0/6").value();
  EXPECT_TRUE(pool.contains(*IpAddress::parse("244.0.0.0")));
  EXPECT_TRUE(pool.contains(*IpAddress::parse("247.255.255.255")));
  EXPECT_FALSE(pool.contains(*IpAddress::parse("248.0.0.0")));
  EXPECT_FALSE(pool.contains(*IpAddress::parse("243.255.255.255")));
  EXPECT_FALSE(pool.contains(*IpAddress::parse("::")));
  EXPECT_TRUE(IpPrefix::parse("::/0").value().contains(*IpAddress::parse("ff::")));
  EXPECT_EQ(IpPrefix::parse("192.0.2.7").value().to_string(), "192.0.2.7/32");
}

TEST(IpPrefix, RejectsHostBitsAndBadLengths) {
  for (const std::string text : {"10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x",
                                 "10.0.0.0/-1", "/8", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
  }
}

TEST(SocketAddress, RoundTripsThroughTextAndSockaddr) {
  for (const std::string text : {"127.0.0.1:15053", "[::1]:53", "[2001:db8::1]:65535"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
    sockaddr_storage storage{};
    EXPECT_GT(address->to_sockaddr(storage), 0U);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how sockets give addresses.
    const auto* const generic = reinterpret_cast<const sockaddr*>(&storage);
    EXPECT_EQ(SocketAddress::from_sockaddr(*generic), *address);
  }
}

TEST(SocketAddress, TakesTheDefaultPort) {
  EXPECT_EQ(SocketAddress::parse("192.0.2.1", 53)->to_string(), "192.0.2.1:53");
  EXPECT_EQ(SocketAddress::parse("2001:db8::1", 53)->to_string(), "[2001:db8::1]:53");
  EXPECT_EQ(SocketAddress::parse("[2001:db8::1]", 53)->to_string(), "[2001:db8::1]:53");
  EXPECT_FALSE(SocketAddress::parse("192.0.2.1"));
}

TEST(SocketAddress, KeepsTheScopeOfLinkLocalAddresses) {
  EXPECT_NE(SocketAddress::parse("fe80::1%lo", 53)->scope_id, 0U);
  EXPECT_FALSE(SocketAddress::parse("fe80::1%no-such-interface", 53));
}

TEST(SocketAddress, HasNoScopeWhereTheAddressIsNotLinkLocal) {
  EXPECT_FALSE(SocketAddress::parse("192.0.2.1%1", 53));
  EXPECT_EQ(*SocketAddress::parse("2001:db8::1%1", 53), *SocketAddress::parse("2001:db8::1", 53));
  EXPECT_EQ(SocketAddress::parse("[::ffff:192.0.2.1%1]:53")->scope_id, 0U);
}

TEST(SocketAddress, RejectsNonsenseAndSaysWhy) {
  for (const std::string text : {"", ":53", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:x",
                                 "[::1]:", "[::1]53", "[::1", "host:53", "1.2.3.4:-1"}) {
    const auto address = SocketAddress::parse(text, 53);
    ASSERT_FALSE(address) << text;
    EXPECT_NE(address.error().message.find("'" + text + "'"), std::string::npos);
  }
}

}  // namespace
}  // namespace meshdns
