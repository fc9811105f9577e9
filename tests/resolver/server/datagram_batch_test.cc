#include "resolver/server/datagram_batch.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/faulty_socket_layer.h"

namespace meshdns::dns {
namespace {

using support::DnsTransport;
using support::SocketStep;

class DatagramBatchTest : public ::testing::Test {
 protected:
  DatagramBatchTest() {
    address_.port = support::port_of(server_.get());
    client_ = support::connect_socket(address_, DnsTransport::kUdp);
  }
  void send(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<std::uint8_t> octets(i + 1, static_cast<std::uint8_t>(i));
      ASSERT_TRUE(support::send_message(client_.get(), DnsTransport::kUdp, octets));
    }
  }
  // Of sizes from 1 on, so that each is a message of its own.
  void reply_to_all(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      std::ranges::fill(batch_.response_buffer(i).first(i + 1), reply_octet(i));
      batch_.add_reply(i, i + 1);
    }
  }
  static std::uint8_t reply_octet(std::size_t index) {
    return static_cast<std::uint8_t>(100 + index);
  }

  support::FaultySocketLayer sockets_;
  SocketAddress address_{.ip = IpAddress::parse("127.0.0.1").value(), .port = 0};
  UniqueFd server_ = support::bind_socket(address_, DnsTransport::kUdp);
  UniqueFd client_;
  // Takes one datagram in, and what its reply needs.
  DatagramPeer take_peer() {
    send(1);
    EXPECT_EQ(batch_.receive(sockets_, server_.get()), 1U);
    return batch_.peer(0);
  }

  DatagramBatch batch_;
};

TEST_F(DatagramBatchTest, ReceivesAndRepliesInOrder) {
  send(3);
  ASSERT_EQ(batch_.receive(sockets_, server_.get()), 3U);
  EXPECT_EQ(batch_.request(2).size(), 3U);
  EXPECT_EQ(batch_.client(0).port, support::port_of(client_.get()));
  reply_to_all(3);
  EXPECT_EQ(batch_.send(sockets_, server_.get()).sent, 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto reply = support::receive_octets(client_.get(), DnsTransport::kUdp);
    EXPECT_EQ(reply.value(), std::vector<std::uint8_t>(i + 1, reply_octet(i)));
  }
  EXPECT_EQ(batch_.send(sockets_, server_.get()).sent, 0U) << "the list is empty now";
}

// Answers shorten what stands for a datagram's room; a batch that is larger than the last, or comes
// after one that failed, meets none of them.
TEST_F(DatagramBatchTest, EveryBatchHasItsRoomAgain) {
  constexpr std::size_t kAll = DatagramBatch::kMaxDatagrams;
  for (const std::size_t count :
       {std::size_t{3}, std::size_t{1}, std::size_t{5}, kAll, std::size_t{1}, kAll}) {
    sockets_.set_fault([](const support::SocketCall& call) {
      return call.step == SocketStep::kReceiveBatch ? ECONNREFUSED : 0;
    });
    send(count);
    ASSERT_EQ(batch_.receive(sockets_, server_.get()), 0U);
    sockets_.set_fault({});
    ASSERT_EQ(batch_.receive(sockets_, server_.get()), count);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(batch_.request(i).size(), i + 1) << "of " << count;
      ASSERT_EQ(batch_.client(i).port, support::port_of(client_.get()));
      batch_.add_reply(i, 1);
    }
    ASSERT_EQ(batch_.send(sockets_, server_.get()).sent, count);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(support::receive_octets(client_.get(), DnsTransport::kUdp));
    }
  }
}

TEST_F(DatagramBatchTest, CutsADatagramThatIsTooLong) {
  ASSERT_TRUE(support::send_message(client_.get(), DnsTransport::kUdp,
                                    std::vector<std::uint8_t>(DatagramBatch::kMaxOctets + 100)));
  ASSERT_EQ(batch_.receive(sockets_, server_.get()), 1U);
  EXPECT_EQ(batch_.request(0).size(), DatagramBatch::kMaxOctets);
}

TEST_F(DatagramBatchTest, PassesOverOneThatCannotBeSent) {
  send(3);
  ASSERT_EQ(batch_.receive(sockets_, server_.get()), 3U);
  reply_to_all(3);
  bool first = true;
  sockets_.set_fault([&](const support::SocketCall& call) {
    return call.step == SocketStep::kSendBatch && std::exchange(first, false) ? EPERM : 0;
  });
  const auto result = batch_.send(sockets_, server_.get());
  EXPECT_EQ(result.sent, 2U);
  EXPECT_EQ(result.failed, 1U);
}

TEST_F(DatagramBatchTest, DropsTheRestWhenTheBufferIsFull) {
  for (const int error : {EAGAIN, ENOBUFS, ENOMEM}) {
    send(3);
    ASSERT_EQ(batch_.receive(sockets_, server_.get()), 3U);
    reply_to_all(3);
    sockets_.set_fault([&](const support::SocketCall& call) {
      return call.step == SocketStep::kSendBatch ? error : 0;
    });
    const auto result = batch_.send(sockets_, server_.get());
    EXPECT_EQ(result.sent, 0U);
    EXPECT_EQ(result.no_room, 3U);
    sockets_.set_fault({});
  }
}

TEST_F(DatagramBatchTest, GoesOnAfterAnInterruption) {
  send(1);
  ASSERT_EQ(batch_.receive(sockets_, server_.get()), 1U);
  reply_to_all(1);
  int interruptions = 3;
  sockets_.set_fault([&](const support::SocketCall& call) {
    return call.step == SocketStep::kSendBatch && interruptions-- > 0 ? EINTR : 0;
  });
  EXPECT_EQ(batch_.send(sockets_, server_.get()).sent, 1U);
}

TEST_F(DatagramBatchTest, TakesAFailingReceiveForNothing) {
  send(1);
  sockets_.set_fault([](const support::SocketCall& call) {
    return call.step == SocketStep::kReceiveBatch ? EAGAIN : 0;
  });
  EXPECT_EQ(batch_.receive(sockets_, server_.get()), 0U);
}

TEST_F(DatagramBatchTest, AQueueSendsWhatItTookInOneCallAndInOrder) {
  const DatagramPeer peer = take_peer();
  DatagramQueue queue;
  for (std::uint8_t i = 0; i < DatagramQueue::kMaxDatagrams; ++i) {
    std::vector<std::uint8_t> octets(i + 1U, i);
    ASSERT_TRUE(queue.add(peer, octets));
    octets.assign(octets.size(), 0xff);  // it has its own copy
  }
  EXPECT_FALSE(queue.add(peer, std::vector<std::uint8_t>{1})) << "it is full";
  int calls = 0;
  sockets_.set_fault([&](const support::SocketCall& call) {
    calls += call.step == SocketStep::kSendBatch ? 1 : 0;
    return 0;
  });
  EXPECT_EQ(queue.send(sockets_, server_.get()).sent, DatagramQueue::kMaxDatagrams);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(queue.size(), 0U);
  for (std::uint8_t i = 0; i < DatagramQueue::kMaxDatagrams; ++i) {
    EXPECT_EQ(support::receive_octets(client_.get(), DnsTransport::kUdp).value(),
              std::vector<std::uint8_t>(i + 1U, i));
  }
}

TEST_F(DatagramBatchTest, AQueueWithoutRoomHasItAgainOnceSent) {
  const DatagramPeer peer = take_peer();
  DatagramQueue queue;
  const std::vector<std::uint8_t> large(40'000, 7);
  ASSERT_TRUE(queue.add(peer, large));
  EXPECT_FALSE(queue.add(peer, large));
  EXPECT_EQ(queue.send(sockets_, server_.get()).sent, 1U);
  ASSERT_TRUE(queue.add(peer, large));
  EXPECT_EQ(queue.send(sockets_, server_.get()).sent, 1U);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(support::receive_octets(client_.get(), DnsTransport::kUdp).value(), large);
  }
}

}  // namespace
}  // namespace meshdns::dns
