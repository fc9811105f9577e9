// Accepts the TCP connections of one listening socket of one worker, and keeps them within bounds.
//
// At a limit, or when the process has no descriptor left, the connection that has been idle longest
// makes way (RFC 7766 section 6.2.3 lets a server close idle ones), or if none is idle, the one
// that has sat on half a frame longest. When all are at work, a new connection over a limit is
// closed, and without descriptors accepting pauses, so that clients wait in the kernel's queue. UDP
// is not affected.
//
// Belongs to the worker's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "resolver/server/connection_limits.h"
#include "resolver/server/tcp_connection.h"
#include "resolver/server/worker_context.h"

namespace meshdns::dns {

class TcpServer final : public TcpConnection::Owner {
 public:
  struct Options {
    TcpConnection::Timeouts timeouts;
    std::chrono::milliseconds check_interval{500};  // how exact the timeouts are
    std::chrono::milliseconds accept_pause{100};    // after running out of descriptors
  };

  // `socket` listens and is non-blocking.
  TcpServer(WorkerContext& context, ConnectionLimits& limits, const Options& options,
            UniqueFd socket);
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;
  ~TcpServer() override;

  void start();
  // Accepts those who are connected already, and no more; see TcpConnection::finish().
  void stop();

  [[nodiscard]] std::size_t open_connections() const { return connections_.size(); }
  void on_closed(TcpConnection& connection) override;

 private:
  struct State;
  enum class AcceptResult : std::uint8_t { kAgain, kWait, kExhausted };

  void wait();
  void go_on();
  void accept_waiting();
  [[nodiscard]] AcceptResult accept_one();
  void admit(UniqueFd socket, const SocketAddress& client);
  // Who makes way: the connection that has been idle longest, else the one with the oldest half of
  // a frame, else the one that has been slow for longest to read its answers.
  struct Eviction {
    std::shared_ptr<TcpConnection> idle;
    std::shared_ptr<TcpConnection> half;
    std::shared_ptr<TcpConnection> slow;
  };
  // Closes a connection of this client or of all, at whichever address it came in; false if there
  // is none, or none that has been idle for so long at least.
  [[nodiscard]] bool evict(const IpAddress* client, std::chrono::milliseconds at_least);
  void look_for(const IpAddress* client, TimePoint idle_before, Eviction& eviction) const;
  void pause();
  void check_later();
  void check_timeouts();

  WorkerContext& context_;
  ConnectionLimits& limits_;
  Options options_;
  std::shared_ptr<State> state_;  // shared with open waits, which may outlive this
  std::unordered_map<TcpConnection*, std::shared_ptr<TcpConnection>> connections_;
};

}  // namespace meshdns::dns
