#include "resolver/server/datagram_sender.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/faulty_socket_layer.h"

namespace meshdns::dns {
namespace {

using support::DnsTransport;
using support::SocketStep;
using ::testing::ElementsAre;

using Octets = std::vector<std::uint8_t>;

// Sends from one socket to clients of its own.
class DatagramSenderTest : public ::testing::Test {
 protected:
  struct Client {
    UniqueFd socket;
    sockaddr_storage address{};
    socklen_t address_size = 0;
  };

  explicit DatagramSenderTest(const char* ip = "127.0.0.1")
      : server_address_{.ip = IpAddress::parse(ip).value(), .port = 0} {
    server_ = support::bind_socket(server_address_, DnsTransport::kUdp);
    server_address_.port = support::port_of(server_.get());
    for (Client& client : clients_) {
      client.socket = support::connect_socket(server_address_, DnsTransport::kUdp);
      const SocketAddress own{.ip = server_address_.ip,
                              .port = support::port_of(client.socket.get())};
      client.address_size = static_cast<socklen_t>(own.to_sockaddr(client.address));
    }
    // Counts calls, fails the next one where it is told to.
    sockets_.set_fault([this](const support::SocketCall& call) {
      if (call.step == SocketStep::kSetOption && call.type == UDP_SEGMENT) {
        return option_error_;
      }
      if (call.step != SocketStep::kSendBatch) {
        return 0;
      }
      ++calls_;
      return std::exchange(next_error_, 0);
    });
  }

  void add(std::size_t client, Octets octets) {
    contents_.push_back(std::move(octets));
    receivers_.push_back(client);
  }
  DatagramSender::Result send() {
    std::vector<iovec> parts;
    parts.reserve(contents_.size());
    std::vector<mmsghdr> messages(contents_.size());
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      Client& client = clients_[receivers_[i]];
      parts.push_back({.iov_base = contents_[i].data(), .iov_len = contents_[i].size()});
      messages[i].msg_hdr.msg_name = &client.address;
      messages[i].msg_hdr.msg_namelen = client.address_size;
      messages[i].msg_hdr.msg_iov = &parts.back();
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    return sender_.send(sockets_, server_.get(), messages);
  }
  // Each is a datagram of its own, and nobody's come in another order.
  void expect_all_received() {
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      EXPECT_EQ(receive(receivers_[i]), contents_[i]) << i;
    }
  }
  Octets receive(std::size_t client) {
    return support::receive_octets(clients_[client].socket.get(), DnsTransport::kUdp)
        .value_or(Octets{});
  }

  support::FaultySocketLayer sockets_;
  SocketAddress server_address_;
  UniqueFd server_;
  std::array<Client, 3> clients_;
  DatagramSender sender_;
  std::vector<Octets> contents_;
  std::vector<std::size_t> receivers_;
  int calls_ = 0;
  int next_error_ = 0;
  int option_error_ = 0;
};

class DatagramSenderIpv6Test : public DatagramSenderTest {
 protected:
  DatagramSenderIpv6Test() : DatagramSenderTest("::1") {}
};

TEST_F(DatagramSenderTest, EveryDatagramArrivesAsItWasWhateverTheGroups) {
  for (std::uint8_t i = 0; i < 8; ++i) {
    add(0, Octets(40, i));
    add(1, Octets(40U + i % 2U, i));
    add(i % 3U, Octets(100U + i, i));
    add(2, Octets(1232, i));
  }
  const auto result = send();
  EXPECT_EQ(result.sent, 32U);
  EXPECT_EQ(result.failed, 0U);
  EXPECT_EQ(calls_, 1);
  // Those of one client may pass each other.
  for (std::size_t client = 0; client < clients_.size(); ++client) {
    std::vector<Octets> expected;
    std::vector<Octets> received;
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      if (receivers_[i] == client) {
        expected.push_back(contents_[i]);
        received.push_back(receive(client));
      }
    }
    EXPECT_THAT(received, ::testing::UnorderedElementsAreArray(expected)) << client;
  }
}

TEST_F(DatagramSenderTest, AGroupThatTheKernelRefusesGoesOneByOne) {
  for (const int error : {EIO, EINVAL}) {  // a path without checksum offload; a small one
    contents_.clear();
    receivers_.clear();
    for (std::uint8_t i = 0; i < 5; ++i) {
      add(0, Octets(40, i));
    }
    next_error_ = error;
    calls_ = 0;
    EXPECT_EQ(send().sent, 5U);
    EXPECT_EQ(calls_, 2);
    expect_all_received();
  }
}

TEST_F(DatagramSenderTest, WhoCannotBeReachedDoesNotHoldUpTheOthers) {
  add(0, Octets(40, 1));
  add(0, Octets(41, 2));
  add(1, Octets(40, 3));
  add(1, Octets(40, 4));
  next_error_ = EPERM;  // of the first alone
  const auto result = send();
  EXPECT_EQ(result.sent, 3U);
  EXPECT_EQ(result.failed, 1U);
  EXPECT_EQ(receive(0), Octets(41, 2));
  EXPECT_EQ(receive(1), Octets(40, 3));
  EXPECT_EQ(receive(1), Octets(40, 4));
}

TEST_F(DatagramSenderTest, CountsDatagramsAndNotGroupsWhenThereIsNoRoom) {
  for (std::uint8_t i = 0; i < 6; ++i) {
    add(i % 2U, Octets(40, i));
  }
  next_error_ = ENOBUFS;
  const auto result = send();
  EXPECT_EQ(result.sent, 0U);
  EXPECT_EQ(result.no_room, 6U);
}

TEST_F(DatagramSenderTest, AKernelWithoutSegmentsIsGivenEachForItself) {
  option_error_ = ENOPROTOOPT;
  for (std::uint8_t i = 0; i < 5; ++i) {
    add(0, Octets(40, i));
  }
  next_error_ = EPERM;
  const auto result = send();
  EXPECT_EQ(result.sent, 4U) << "one of five, and no group";
  EXPECT_EQ(result.failed, 1U);
  for (std::uint8_t i = 1; i < 5; ++i) {
    EXPECT_EQ(receive(0), Octets(40, i));
  }
}

TEST_F(DatagramSenderTest, EmptyAndLargeDatagramsGoAlone) {
  add(0, {});
  add(0, {});
  add(0, Octets(1233, 1));
  add(0, Octets(1233, 2));
  EXPECT_EQ(send().sent, 4U);
  expect_all_received();
}

TEST_F(DatagramSenderIpv6Test, GroupsOverIpv6Too) {
  for (std::uint8_t i = 0; i < 5; ++i) {
    add(0, Octets(40, i));
    add(1, Octets(40, i));
  }
  EXPECT_EQ(send().sent, 10U);
  EXPECT_EQ(calls_, 1);
  expect_all_received();
}

}  // namespace
}  // namespace meshdns::dns
