// The sockets that clients reach: UDP and TCP on each configured address, bound before anything
// else happens, so that a wrong address shows at once.
//
// Sockets are non-blocking. UDP ones have buffers of 4 MiB where the system allows it, and never
// let the kernel learn a path MTU from ICMP (IP_PMTUDISC_OMIT: answers are small enough, and ICMP
// can be forged). On a wildcard address the kernel tells which address was asked, so that the
// answer leaves from it (RFC 2181 section 4). IPv6 sockets are IPv6 only. With several workers each
// has sockets of its own (SO_REUSEPORT); with one, nobody else can share the port unnoticed.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/unique_fd.h"

namespace meshdns::dns {

// How many TCP connections may wait to be accepted; cut to net.core.somaxconn.
inline constexpr int kTcpBacklog = 1024;

struct ListenAddress {
  SocketAddress address;  // port 0: any that is free for UDP and TCP alike
  // A default rather than the user's wish: when the host lacks the address it is left out.
  bool optional = false;
};

// Whether no two sockets can have both: they are the same, or one is a wildcard that includes the
// other. Port 0 is no port yet.
[[nodiscard]] bool overlap(const SocketAddress& one, const SocketAddress& other);

// One worker's sockets of one address.
struct SocketPair {
  UniqueFd udp;
  UniqueFd tcp;
};

struct Listener {
  SocketAddress configured;         // as asked for
  SocketAddress bound;              // with the port it got
  std::vector<SocketPair> sockets;  // one per worker, unless they come from elsewhere
};

struct BoundListeners {
  std::vector<Listener> listeners;  // in the order given, never empty
  std::vector<std::string> notes;   // one per optional address left out
};

// Any thread. Fails on the first address that cannot be had and is not optional, or when none is
// left; the message names the address and what to do.
[[nodiscard]] Result<BoundListeners> bind_listeners(SocketLayer& sockets,
                                                    std::span<const ListenAddress> addresses,
                                                    std::size_t workers);

// Sets what sockets of other makers need to serve here: not blocking, closed at exec, the options
// of our own. Errors name the address.
[[nodiscard]] Result<void> prepare_inherited(SocketLayer& sockets, const SocketAddress& bound,
                                             const SocketPair& pair);

// Who binds the sockets of addresses that are added later, and must know which are let go: another
// process may hold them too. Control thread.
class ListenerSource {
 public:
  ListenerSource() = default;
  ListenerSource(const ListenerSource&) = delete;
  ListenerSource& operator=(const ListenerSource&) = delete;
  virtual ~ListenerSource() = default;

  // As bind_listeners().
  [[nodiscard]] virtual Result<BoundListeners> bind(std::span<const ListenAddress> addresses) = 0;
  // Nobody reads the sockets of this configured address any more.
  virtual void release(const SocketAddress& configured) = 0;
};

// Binds in this process.
class OwnListeners final : public ListenerSource {
 public:
  OwnListeners(SocketLayer& sockets, std::size_t workers) : sockets_(sockets), workers_(workers) {}
  [[nodiscard]] Result<BoundListeners> bind(std::span<const ListenAddress> addresses) override {
    return bind_listeners(sockets_, addresses, workers_);
  }
  void release(const SocketAddress& /*configured*/) override {}

 private:
  SocketLayer& sockets_;
  std::size_t workers_;
};

}  // namespace meshdns::dns
