#include "resolver/forward/udp_sockets.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/faulty_socket_layer.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

using support::SocketCall;
using support::SocketStep;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// What one user of a socket heard.
class Listener final : public UdpSockets::User {
 public:
  void on_datagram(std::span<const std::uint8_t> datagram) override {
    heard.emplace_back(datagram.begin(), datagram.end());
    if (on_each) {
      on_each(heard.size());
    }
  }
  void on_error() override { ++errors; }

  std::vector<std::string> heard;
  int errors = 0;
  std::function<void(std::size_t count)> on_each;
};

class UdpSocketsTest : public testing::Test {
 protected:
  // A socket of `user`, whose port the server knows.
  UdpSockets::Socket* open(Listener& user) {
    UdpSockets::Socket* const socket = sockets_.open(server_address_, user);
    const std::vector<std::uint8_t> hello{'h', 'i'};
    if (socket == nullptr || !sockets_.send(*socket, hello)) {
      ADD_FAILURE() << "no socket";
      return nullptr;
    }
    std::uint8_t octet = 0;
    socklen_t length = sizeof client_;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    auto* const from = reinterpret_cast<sockaddr*>(&client_);
    EXPECT_EQ(::recvfrom(server_.get(), &octet, 1, MSG_TRUNC, from, &length), 2);
    return socket;
  }

  // To the port that was opened last.
  void say(const std::string& text, std::size_t times = 1) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    const auto* const to = reinterpret_cast<const sockaddr*>(&client_);
    for (std::size_t i = 0; i < times; ++i) {
      ASSERT_EQ(::sendto(server_.get(), text.data(), text.size(), 0, to, sizeof(sockaddr_in)),
                static_cast<ssize_t>(text.size()));
    }
  }

  [[nodiscard]] bool run_until(const std::function<bool()>& condition) {
    return support::wait_until([&] {
      io_.restart();
      io_.poll();
      return condition();
    });
  }

  UniqueFd server_ = support::bind_socket(support::loopback(0), support::DnsTransport::kUdp);
  SocketAddress server_address_ = support::loopback(support::port_of(server_.get()));
  sockaddr_storage client_{};
  boost::asio::io_context io_;
  support::FaultySocketLayer layer_;
  UdpSockets sockets_{16, io_, layer_};
};

TEST_F(UdpSocketsTest, HearsAllThatHasComeHoweverMuch) {
  constexpr std::size_t kMany = 200;  // more than is taken at once
  Listener user;
  ASSERT_NE(open(user), nullptr);
  say("x", kMany);
  EXPECT_TRUE(run_until([&] { return user.heard.size() == kMany; })) << user.heard.size();
  say("y");
  EXPECT_TRUE(run_until([&] { return user.heard.size() == kMany + 1; })) << user.heard.size();
  EXPECT_EQ(user.errors, 0);
}

TEST_F(UdpSocketsTest, AUserWhoFailsMakesNobodyDeaf) {
  Listener unlucky;
  Listener other;
  unlucky.on_each = [](std::size_t count) {
    if (count == 1) {
      throw std::bad_alloc();
    }
  };
  ASSERT_NE(open(unlucky), nullptr);
  say("a");
  say("b");
  ASSERT_NE(open(other), nullptr);
  say("c");
  int failures = 0;
  EXPECT_TRUE(support::wait_until([&] {
    try {
      io_.restart();
      io_.poll();
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    return !other.heard.empty() && unlucky.heard.size() == 2;
  }));
  EXPECT_EQ(failures, 1);
  EXPECT_THAT(unlucky.heard, ElementsAre("a", "b"));
  EXPECT_THAT(other.heard, ElementsAre("c"));
}

TEST_F(UdpSocketsTest, WhatHasComeForOneIsNeverHeardByTheNext) {
  Listener first;
  UdpSockets::Socket* const socket = open(first);
  ASSERT_NE(socket, nullptr);
  first.on_each = [&](std::size_t /*count*/) { sockets_.close(*socket); };
  say("for the first", 50);
  ASSERT_TRUE(run_until([&] { return !first.heard.empty(); }));
  EXPECT_THAT(first.heard, SizeIs(1));

  Listener second;
  ASSERT_EQ(open(second), socket);
  say("for the second");
  ASSERT_TRUE(run_until([&] { return !second.heard.empty(); }));
  EXPECT_THAT(second.heard, ElementsAre("for the second"));
  EXPECT_THAT(first.heard, SizeIs(1));
}

// Around as many as are taken at once, and where the kernel keeps the socket on its port.
TEST_F(UdpSocketsTest, MayBeClosedAtAnyDatagram) {
  for (const bool can_disconnect : {true, false}) {
    for (const std::size_t at : {1U, 63U, 64U, 65U}) {
      SCOPED_TRACE(testing::Message() << at << (can_disconnect ? "" : " without disconnecting"));
      layer_.set_fault({});
      Listener user;
      UdpSockets::Socket* const socket = open(user);
      ASSERT_NE(socket, nullptr);
      user.on_each = [&](std::size_t count) {
        if (count == at) {
          sockets_.close(*socket);
        }
      };
      say("x", 100);
      if (!can_disconnect) {
        layer_.set_fault([](const SocketCall& call) {
          return call.step == SocketStep::kConnect ? ENETDOWN : 0;
        });
      }
      ASSERT_TRUE(run_until([&] { return user.heard.size() >= at; })) << user.heard.size();
      io_.restart();
      io_.poll();
      EXPECT_THAT(user.heard, SizeIs(at));
      EXPECT_EQ(user.errors, 0);
      EXPECT_EQ(sockets_.open_count(), 0U);
    }
  }
}

}  // namespace
}  // namespace meshdns::dns
