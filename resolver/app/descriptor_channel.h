// Packets with descriptors over a unix socket of type SOCK_SEQPACKET: how the parent process, the
// resolver and a successor hand sockets to each other.
//
// Any thread; each packet is sent and received whole. Received descriptors are closed at exec, and
// belong to the packet.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::dns {

// The kernel takes 253 descriptors in one packet (SCM_MAX_FD); sockets go in pairs.
inline constexpr std::size_t kMaxPacketDescriptors = 128;
inline constexpr std::size_t kMaxPacketOctets = 4096;

struct Packet {
  std::string octets;  // none: the peer is gone
  std::vector<UniqueFd> descriptors;
};

// Two ends of a channel.
[[nodiscard]] Result<std::pair<UniqueFd, UniqueFd>> make_channel();

// A wait of 0 never blocks. kUnavailable when there was no room or nothing to read in that time,
// kNetwork when the peer is gone while sending, kCorrupt for a packet beyond the limits.
[[nodiscard]] Result<void> send_packet(int channel, std::string_view octets,
                                       std::span<const int> descriptors,
                                       std::chrono::milliseconds wait);
[[nodiscard]] Result<Packet> receive_packet(int channel, std::chrono::milliseconds wait);

}  // namespace meshdns::dns
