// Who is told what goes to the upstream servers and comes from them, octet for octet: dnstap.
//
// Called on the worker's thread; must not wait. `message` is valid during the call.
#pragma once

#include <cstdint>
#include <span>

#include "base/ip_address.h"

namespace meshdns::dns {

// Over what a message went, to or from whomever.
enum class MessageTransport : std::uint8_t { kUdp, kTcp, kTls };

class UpstreamTap {
 public:
  UpstreamTap() = default;
  UpstreamTap(const UpstreamTap&) = delete;
  UpstreamTap& operator=(const UpstreamTap&) = delete;
  virtual ~UpstreamTap() = default;

  virtual void on_upstream_query(const SocketAddress& server, MessageTransport transport,
                                 std::span<const std::uint8_t> message) = 0;
  // That which was taken for the answer to a question, and not what anybody sent to our port.
  virtual void on_upstream_reply(const SocketAddress& server, MessageTransport transport,
                                 std::span<const std::uint8_t> message) = 0;
};

}  // namespace meshdns::dns
