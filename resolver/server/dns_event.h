// What happened to one message: a client's question, the response to it, a question to an upstream
// server or its reply. Plain values, for the query log and dnstap.
#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

#include "base/ip_address.h"
#include "resolver/forward/upstream_tap.h"

namespace meshdns::dns {

enum class EventKind : std::uint8_t {
  kClientQuery,
  kClientResponse,
  kForwarderQuery,
  kForwarderResponse,
};

// Where a response came from.
enum class EventSource : std::uint8_t {
  kNone,      // there is none: it was dropped, or upstream is being asked
  kLocal,     // our own names, and what we refuse
  kCache,     // a fresh answer that was kept
  kStale,     // one that was kept beyond its time
  kUpstream,  // upstream was asked, with or without success
};

struct DnsEvent {
  EventKind kind = EventKind::kClientQuery;
  MessageTransport transport = MessageTransport::kUdp;
  EventSource source = EventSource::kNone;  // of a client's response
  SocketAddress peer;                       // the client, or the upstream server
  SocketAddress server;                     // whose reply the response is made of; port 0: none's
  std::chrono::nanoseconds at{0};           // since 1970
  std::chrono::nanoseconds elapsed{0};      // of a client's response: since the question came in
};

// It is copied octet by octet from one thread to another.
static_assert(std::is_trivially_copyable_v<DnsEvent>);

}  // namespace meshdns::dns
