// DatagramSender: many datagrams by one sendmmsg, and in it one message for those to one client
// that are of one size (udp(7), UDP_SEGMENT). The kernel takes such a message through its stack
// once: a client with many questions in flight (a proxy, a load generator) costs about half.
//
// Hot path. Belongs to one worker's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/socket_layer.h"

namespace meshdns::dns {

class DatagramSender {
 public:
  static constexpr std::size_t kMaxDatagrams = 32;
  // Of a message's control data: one IP_PKTINFO or IPV6_PKTINFO.
  static constexpr std::size_t kMaxControlOctets = 40;
  // Larger datagrams go alone: a segment must fit the path, IPv6's least MTU here.
  static constexpr std::size_t kMaxSegmentOctets = 1232;

  enum class Grouping : std::uint8_t { kByClientAndSize, kNone };
  struct Result {
    std::size_t sent = 0;
    std::size_t no_room = 0;  // the socket's buffer is full
    std::size_t failed = 0;
  };

  explicit DatagramSender(Grouping grouping = Grouping::kByClientAndSize) : grouping_(grouping) {}

  // Sends all of `messages`, at most kMaxDatagrams, each of one part. One that the kernel refuses
  // does not hold up the others. Never waits.
  Result send(SocketLayer& sockets, int fd, std::span<mmsghdr> messages);

 private:
  // What one message of ours sends.
  struct Group {
    std::size_t first = 0;  // of those it is made of
    std::size_t count = 0;
    std::size_t octets = 0;  // of each
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(kMaxControlOctets - sizeof(cmsghdr)) +
                                                  CMSG_SPACE(sizeof(std::uint16_t))> control{};
  };

  // Puts each into a group; false when every one would be alone.
  [[nodiscard]] bool group(std::span<const mmsghdr> messages);
  [[nodiscard]] std::size_t group_of(std::span<const mmsghdr> messages, std::size_t index);
  void write_groups(std::span<const mmsghdr> messages);
  void add_segment_size(std::size_t index);
  // Those that group `index` is made of, each for itself.
  [[nodiscard]] Result send_apart(SocketLayer& sockets, int fd, std::span<mmsghdr> messages,
                                  std::size_t index);

  Grouping grouping_;
  std::optional<bool> segments_;  // whether the kernel knows them
  std::size_t count_ = 0;         // of groups
  std::array<Group, kMaxDatagrams> groups_;
  std::array<std::uint8_t, kMaxDatagrams> membership_{};  // message to group
  std::array<mmsghdr, kMaxDatagrams> grouped_{};
  std::array<iovec, kMaxDatagrams> parts_{};
};

}  // namespace meshdns::dns
