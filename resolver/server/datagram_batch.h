// Many datagrams by one system call. Hot path.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/socket_layer.h"
#include "resolver/server/datagram_sender.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

// Where a datagram came from and which of our addresses it was sent to: all that a reply needs.
struct DatagramPeer {
  // Holds one IP_PKTINFO or IPV6_PKTINFO message.
  static constexpr std::size_t kControlOctets = 64;

  sockaddr_storage address{};
  socklen_t address_size = 0;
  alignas(cmsghdr) std::array<std::uint8_t, kControlOctets> control{};
  std::size_t control_size = 0;  // 0: the socket's own address

  // Where it came from.
  [[nodiscard]] SocketAddress socket_address() const;
};

// Room for one batch of datagrams: received by one recvmmsg, answered in place, sent by one
// sendmmsg.
//
// One per worker, shared by its UDP servers; no state is kept from batch to batch.
class DatagramBatch {
 public:
  static constexpr std::size_t kMaxDatagrams = DatagramSender::kMaxDatagrams;
  // A query above this is cut, so that it does not parse. Answers are far smaller.
  static constexpr std::size_t kMaxOctets = 4096;

  explicit DatagramBatch(
      DatagramSender::Grouping grouping = DatagramSender::Grouping::kByClientAndSize);
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;
  ~DatagramBatch();

  // Receives what is there, and empties the list of replies. Returns how many datagrams; 0 when
  // there are none or the socket has an error pending, which this has cleared.
  [[nodiscard]] std::size_t receive(SocketLayer& sockets, int fd);

  // Of the datagram `index` of the last receive().
  [[nodiscard]] std::span<const std::uint8_t> request(std::size_t index) const;
  [[nodiscard]] SocketAddress client(std::size_t index) const;
  [[nodiscard]] const DatagramPeer& peer(std::size_t index);
  [[nodiscard]] Query& query(std::size_t index);
  // The reply may be written over the request.
  [[nodiscard]] std::span<std::uint8_t> response_buffer(std::size_t index);

  // Puts the first `size` octets of response_buffer(index) on the list of replies.
  void add_reply(std::size_t index, std::size_t size);
  // What was put on it last.
  [[nodiscard]] std::span<const std::uint8_t> last_reply() const;
  // Sends the list. Never waits.
  DatagramSender::Result send(SocketLayer& sockets, int fd);

 private:
  struct Slot;

  void make_room();

  std::unique_ptr<std::array<Slot, kMaxDatagrams>> slots_;
  std::array<mmsghdr, kMaxDatagrams> received_{};
  std::size_t received_count_ = kMaxDatagrams;  // by the last receive(); all before the first
  std::array<mmsghdr, kMaxDatagrams> replies_{};
  std::size_t reply_count_ = 0;
  DatagramSender sender_;
};

// Replies that become ready one by one, and leave by one sendmmsg.
//
// Belongs to one worker's thread; allocates nothing once it is made.
class DatagramQueue {
 public:
  static constexpr std::size_t kMaxDatagrams = DatagramBatch::kMaxDatagrams;

  DatagramQueue();
  DatagramQueue(const DatagramQueue&) = delete;
  DatagramQueue& operator=(const DatagramQueue&) = delete;
  ~DatagramQueue();

  // Takes a copy of at most kMaxMessageOctets. False when there is no room: send() first.
  [[nodiscard]] bool add(const DatagramPeer& peer, std::span<const std::uint8_t> octets);
  [[nodiscard]] std::size_t size() const { return count_; }
  // Sends all of it. Never waits.
  DatagramSender::Result send(SocketLayer& sockets, int fd);

 private:
  struct Slot {
    DatagramPeer peer;
    iovec part{};
  };

  std::vector<std::uint8_t> octets_;
  std::size_t used_ = 0;  // of them
  std::array<Slot, kMaxDatagrams> slots_;
  std::array<mmsghdr, kMaxDatagrams> messages_{};
  std::size_t count_ = 0;
  DatagramSender sender_;
};

}  // namespace meshdns::dns
