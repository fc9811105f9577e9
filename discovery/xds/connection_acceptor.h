// ConnectionAcceptor: listens on a TCP port and hands on who connects.
//
// gRPC has a listener of its own, which for want of one descriptor gives up for good: gRPC 1.51.1
// would take no connection any more, however many descriptors came free (grpc/grpc#20418). Here who
// cannot be taken stays in the kernel's queue until there is a descriptor, beside some that are
// left for files and for whoever else listens.
//
// A thread of its own takes connections. start() and stop() belong to one thread of the owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::discovery {

class ConnectionAcceptor {
 public:
  // Gets a connection that does not block; on the acceptor's thread.
  using Hand = std::function<void(UniqueFd connection, const SocketAddress& peer)>;

  // Listens, and takes nothing yet. The unspecified address of either family is that of both, where
  // the host has IPv6. What a peer does not acknowledge within `user_timeout` ends its connection
  // (tcp(7), TCP_USER_TIMEOUT). kNetwork when the address cannot be bound. `logger` outlives it.
  [[nodiscard]] static Result<std::unique_ptr<ConnectionAcceptor>> listen(
      const SocketAddress& address, std::chrono::milliseconds user_timeout, Logger& logger);
  ConnectionAcceptor(const ConnectionAcceptor&) = delete;
  ConnectionAcceptor& operator=(const ConnectionAcceptor&) = delete;
  ~ConnectionAcceptor();  // as stop()

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Once.
  void start(Hand hand);
  // Listens no more. Nothing is handed on during or after. A second call does nothing.
  void stop();

 private:
  ConnectionAcceptor(UniqueFd listener, UniqueFd wake, std::uint16_t port, Logger& logger);
  void run();
  // Why no descriptor may be opened for one more connection; 0: it may.
  [[nodiscard]] int shortage() const;
  [[nodiscard]] bool is_waited_on() const;
  // Takes those who wait. False when there is no descriptor, or no memory, for the next one.
  [[nodiscard]] bool take_waiting();
  void note_shortage(int error);

  UniqueFd listener_;
  UniqueFd wake_;  // readable: stop
  std::uint16_t port_;
  Logger& logger_;
  Hand hand_;
  bool is_short_ = false;  // the thread's: somebody could not be taken, and that was said
  std::thread thread_;
};

}  // namespace meshdns::discovery
