#include "resolver/server/listener.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "tests/support/dns_client.h"
#include "tests/support/faulty_socket_layer.h"

namespace meshdns::dns {
namespace {

using support::SocketStep;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

ListenAddress at(const std::string& text, bool optional = false) {
  const auto colon = text.rfind(':');
  SocketAddress address = SocketAddress::parse(text.substr(0, colon) + ":1").value();
  address.port = static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1)));
  return {.address = address, .optional = optional};
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

TEST(Listener, GivesUdpAndTcpTheSameFreePort) {
  PosixSocketLayer sockets;
  const auto bound = bind_listeners(sockets, std::vector{at("127.0.0.1:0"), at("[::1]:0")}, 1);
  ASSERT_TRUE(bound);
  ASSERT_THAT(bound->listeners, SizeIs(2));
  for (const Listener& listener : bound->listeners) {
    EXPECT_NE(listener.bound.port, 0);
    EXPECT_EQ(listener.configured.port, 0);
    EXPECT_EQ(listener.bound.ip, listener.configured.ip);
    ASSERT_THAT(listener.sockets, SizeIs(1));
    EXPECT_EQ(support::port_of(listener.sockets[0].udp.get()), listener.bound.port);
    EXPECT_EQ(support::port_of(listener.sockets[0].tcp.get()), listener.bound.port);
  }
}

TEST(Listener, TriesOnUntilAPortIsFreeForBoth) {
  support::FaultySocketLayer sockets;
  int binds = 0;
  sockets.set_fault([&](const support::SocketCall& call) {
    // The second bind is the first TCP one.
    return call.step == SocketStep::kBind && ++binds == 2 ? EADDRINUSE : 0;
  });
  const auto bound = bind_listeners(sockets, std::vector{at("127.0.0.1:0")}, 1);
  ASSERT_TRUE(bound);
  EXPECT_GE(binds, 4);
}

TEST(Listener, GivesEachWorkerItsOwnSocketsOfOneAddress) {
  PosixSocketLayer sockets;
  const auto bound = bind_listeners(sockets, std::vector{at("127.0.0.1:0")}, 3);
  ASSERT_TRUE(bound);
  std::set<int> descriptors;
  for (const SocketPair& pair : bound->listeners.at(0).sockets) {
    descriptors.insert({pair.udp.get(), pair.tcp.get()});
    EXPECT_EQ(support::port_of(pair.udp.get()), bound->listeners[0].bound.port);
  }
  EXPECT_THAT(descriptors, SizeIs(6));
}

TEST(Listener, DoesNotShareAPortWithAnotherProgram) {
  PosixSocketLayer sockets;
  const auto first = bind_listeners(sockets, std::vector{at("127.0.0.1:0")}, 2);
  ASSERT_TRUE(first);
  for (const std::size_t workers : {1U, 2U}) {
    const auto second =
        bind_listeners(sockets, std::vector{ListenAddress{first->listeners[0].bound}}, workers);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
    EXPECT_THAT(second.error().message, HasSubstr(first->listeners[0].bound.to_string()));
    EXPECT_THAT(second.error().message, HasSubstr("another program listens there"));
  }
}

TEST(Listener, SetsItsSocketsUpForDns) {
  PosixSocketLayer sockets;
  const auto bound = bind_listeners(
      sockets, std::vector{at("127.0.0.1:0"), at("0.0.0.0:0"), at("[::1]:0"), at("[::]:0")}, 1);
  ASSERT_TRUE(bound);
  const auto udp = [&](std::size_t i) { return bound->listeners.at(i).sockets.at(0).udp.get(); };
  EXPECT_EQ(option(udp(0), IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_OMIT);
  EXPECT_EQ(option(udp(1), IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_OMIT);
  EXPECT_EQ(option(udp(2), IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_OMIT);
  EXPECT_EQ(option(udp(0), IPPROTO_IP, IP_PKTINFO), 0);
  EXPECT_EQ(option(udp(1), IPPROTO_IP, IP_PKTINFO), 1);
  EXPECT_EQ(option(udp(2), IPPROTO_IPV6, IPV6_RECVPKTINFO), 0);
  EXPECT_EQ(option(udp(3), IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
  EXPECT_EQ(option(udp(3), IPPROTO_IPV6, IPV6_V6ONLY), 1);
  EXPECT_EQ(option(udp(0), SOL_SOCKET, SO_REUSEPORT), 0);
}

TEST(Listener, LeavesOutAnOptionalAddressThatTheHostLacks) {
  PosixSocketLayer sockets;
  const auto bound =
      bind_listeners(sockets, std::vector{at("127.0.0.1:0"), at("192.0.2.1:0", true)}, 1);
  ASSERT_TRUE(bound);
  EXPECT_THAT(bound->listeners, SizeIs(1));
  EXPECT_THAT(bound->notes, ElementsAre(HasSubstr("192.0.2.1:0")));
}

TEST(Listener, LeavesOutAnOptionalAddressOfAFamilyThatTheHostLacks) {
  support::FaultySocketLayer sockets;
  sockets.set_fault([](const support::SocketCall& call) {
    return call.step == SocketStep::kSocket && call.fd == AF_INET6 ? EAFNOSUPPORT : 0;
  });
  const auto bound =
      bind_listeners(sockets, std::vector{at("127.0.0.1:0"), at("[::1]:0", true)}, 1);
  ASSERT_TRUE(bound);
  EXPECT_THAT(bound->notes, ElementsAre(HasSubstr("address family")));
}

TEST(Listener, FailsWhenTheHostHasNoneOfTheAddresses) {
  PosixSocketLayer sockets;
  EXPECT_FALSE(bind_listeners(sockets, std::vector{at("192.0.2.1:0", true)}, 1));
  EXPECT_FALSE(bind_listeners(sockets, {}, 1));
}

TEST(Listener, DoesNotLeaveOutAnAddressThatSomebodyWants) {
  PosixSocketLayer sockets;
  const auto bound = bind_listeners(sockets, std::vector{at("192.0.2.1:0")}, 1);
  ASSERT_FALSE(bound);
  EXPECT_THAT(bound.error().message, HasSubstr("192.0.2.1:0 (UDP): this host does not have"));
}

TEST(Listener, SaysWhatAPrivilegedPortNeeds) {
  support::FaultySocketLayer sockets;
  sockets.set_fault(
      [](const support::SocketCall& call) { return call.step == SocketStep::kBind ? EACCES : 0; });
  const auto bound = bind_listeners(sockets, std::vector{at("127.0.0.1:53")}, 1);
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, ErrorCode::kPermissionDenied);
  EXPECT_THAT(bound.error().message, HasSubstr("127.0.0.1:53 (UDP)"));
  EXPECT_THAT(bound.error().message, HasSubstr("CAP_NET_BIND_SERVICE"));
}

// Whatever call fails, binding fails cleanly or does without it.
TEST(Listener, SurvivesAFaultInEveryCall) {
  for (std::uint64_t failing = 0;; ++failing) {
    support::FaultySocketLayer sockets;
    sockets.set_fault([&](const support::SocketCall& call) {
      const bool closing = call.step == SocketStep::kClose;
      return call.index == failing && !closing ? ENOMEM : 0;
    });
    const auto bound = bind_listeners(sockets, std::vector{at("0.0.0.0:0"), at("[::1]:0")}, 2);
    if (!bound) {
      EXPECT_EQ(bound.error().code, ErrorCode::kNetwork) << bound.error().message;
    }
    if (sockets.calls() <= failing) {
      EXPECT_TRUE(bound);
      return;
    }
  }
}

}  // namespace
}  // namespace meshdns::dns
