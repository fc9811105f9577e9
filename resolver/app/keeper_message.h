// KeeperMessage: what the parent process and the resolver, and a predecessor and its successor,
// say to each other. One message is one packet (descriptor_channel.h); descriptors travel beside
// it.
//
//   octet kind | 4 octets number | address configured | address bound | 2 octets length | text
//   address: octet 4 or 6 | 4 or 16 octets | 2 octets port | 4 octets scope
//
// Numbers are big-endian. kHello and kRefused never change, so that any two versions understand
// why they cannot go on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {

enum class MessageKind : std::uint8_t {
  // Between predecessor and successor.
  kHello = 1,     // successor: number = kHandoverVersion
  kRefused = 2,   // predecessor, at any time: text says why; it goes on
  kListener = 3,  // predecessor, and parent: one address, with pairs of a UDP and a TCP socket
  kAdmin = 4,     // predecessor: bound, with the listening socket of admin HTTP
  kLock = 5,      // predecessor: with the lock of the state folder
  kOffered = 6,   // predecessor: that was all; number: 1 if it has a table
  kTaken = 7,     // successor: it answers
  kGone = 8,      // predecessor: it stops
  // From the resolver to its parent.
  kBeat = 16,       // number: the thread that is well
  kServing = 17,    // it answers
  kReloading = 18,  // the configuration is being read again
  kReloaded = 19,   // and is in use
  kNotReloaded = 20,
  kBind = 21,     // configured
  kRelease = 22,  // configured
  kFrozen = 23,   // the state folder is synced and let go; text: why not; number as kOffered
  kAsks = 24,     // text: the servers of resolv.conf that it asks now, in that file's form
  // From the parent to the resolver.
  kBound = 32,   // end of the answer to kBind; number: an ErrorCode and 1, or 0; text: the message
  kFreeze = 33,  // let the state folder go, answer on
  kBegin = 34,   // read the sockets, table or not
};

inline constexpr std::uint32_t kHandoverVersion = 1;

struct KeeperMessage {
  MessageKind kind = MessageKind::kHello;
  std::uint32_t number = 0;
  SocketAddress configured = {};
  SocketAddress bound = {};
  std::string text = {};

  friend bool operator==(const KeeperMessage&, const KeeperMessage&) = default;
};

// The text is cut to what a packet holds.
[[nodiscard]] std::string encode(const KeeperMessage& message);
// kCorrupt unless `octets` are one whole message, as encode() writes it.
[[nodiscard]] Result<KeeperMessage> decode_keeper_message(std::string_view octets);

}  // namespace meshdns::dns
