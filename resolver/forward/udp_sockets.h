// The UDP sockets of one worker for questions upstream: one for each question, connected to the
// server, on a port that the kernel draws at random (RFC 5452 section 9.2).
//
// A new socket for every question would cost more than the rest of it. So a socket that is done
// with is taken off its port and kept: connect(2) to AF_UNSPEC frees a port that the kernel had
// chosen, and the next connect(2) draws another. All stand in one epoll set, which the worker's
// io_context watches as a whole, so that a question costs no registration.
//
// Belongs to one worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <sys/epoll.h>

#include "base/ip_address.h"
#include "base/socket_layer.h"

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

class UdpSockets {
 public:
  // Kept without a port, each family for itself: as many as there are questions open under load, or
  // most of them would pay for a new socket after all.
  static constexpr std::size_t kMaxIdle = 512;

  // Who has a socket. May close it from within either call.
  class User {
   public:
    User() = default;
    User(const User&) = delete;
    User& operator=(const User&) = delete;
    virtual ~User() = default;
    // From the server's address and port. Valid during the call.
    virtual void on_datagram(std::span<const std::uint8_t> datagram) = 0;
    // The network said no: ICMP port unreachable and the like.
    virtual void on_error() = 0;
  };
  struct Socket;

  // At most `max_open` sockets with a port at a time. Throws std::system_error without a
  // descriptor for the set.
  UdpSockets(std::size_t max_open, boost::asio::io_context& io, SocketLayer& sockets);
  UdpSockets(const UdpSockets&) = delete;
  UdpSockets& operator=(const UdpSockets&) = delete;
  ~UdpSockets();

  // Null when there is no descriptor, port or route.
  [[nodiscard]] Socket* open(const SocketAddress& server, User& user);
  [[nodiscard]] bool send(const Socket& socket, std::span<const std::uint8_t> datagram);
  // Its port is free at once, and nothing that comes for it is ever heard.
  void close(Socket& socket);

  [[nodiscard]] std::size_t open_count() const { return open_; }

 private:
  struct Set;

  [[nodiscard]] Socket* take_idle(IpFamily family);
  [[nodiscard]] bool create(Socket& socket, IpFamily family);
  [[nodiscard]] bool watch(Socket& socket, int operation);
  [[nodiscard]] bool disconnect(const Socket& socket);
  void discard(Socket& socket);
  void wait();
  void on_ready();
  void go_on(std::span<const epoll_event> left);
  void receive(Socket& socket);

  std::size_t max_open_;
  SocketLayer& sockets_;
  std::shared_ptr<Set> set_;  // shared with its handler, which may run after us
  std::size_t open_ = 0;
  std::vector<std::unique_ptr<Socket>> all_;  // never shrinks: an event may still name one
  std::vector<Socket*> idle_v4_;
  std::vector<Socket*> idle_v6_;
  std::vector<Socket*> empty_;  // without a descriptor
  std::vector<std::uint8_t> buffer_;
};

}  // namespace meshdns::dns
