// Passes TCP connections on to a server until something happens to them: the network between the
// two programs of a test.
//
// One thread of its own moves the bytes; every function may be called from any thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/ip_address.h"
#include "base/unique_fd.h"

namespace meshdns::support {

class TcpRelay {
 public:
  enum class Fate : std::uint8_t {
    kPass,     // nothing ever happens to it
    kClose,    // both ends see its end
    kReset,    // both ends see a reset (SO_LINGER of nothing)
    kSwallow,  // half-open: what comes is lost, both sockets stay
    kStall,    // nobody reads what comes
  };
  static constexpr std::size_t kFates = 5;

  // How a connection ends: once the server has sent so much and so long after it began. Swallowing
  // and stalling last for `lasts`, or until an end gives up; then it is a reset.
  struct Ending {
    Fate fate = Fate::kPass;
    std::size_t after_bytes = 0;
    std::chrono::milliseconds after{0};
    std::chrono::milliseconds lasts{0};
    std::optional<SocketAddress> server = std::nullopt;  // instead of the relay's
  };
  // Asked for each new connection, on the relay's thread.
  using Plan = std::function<Ending()>;

  struct Counts {
    std::uint64_t accepted = 0;
    std::array<std::uint64_t, kFates> met{};  // by Fate; kPass: ended by one of the ends
    // Between one connection's beginning and the next one's.
    std::chrono::milliseconds least_pause = std::chrono::hours(1);

    [[nodiscard]] std::uint64_t ended() const;
  };

  // Listens on a free port of 127.0.0.1.
  explicit TcpRelay(const SocketAddress& server);
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;
  ~TcpRelay();

  [[nodiscard]] SocketAddress address() const { return address_; }
  // Of connections from now on.
  void set_server(const SocketAddress& server);
  void set_plan(Plan plan);
  // Closes the listening socket, so that connections are refused; opens it again.
  void refuse();
  void accept_again();
  // Brings this upon all connections there are.
  void bring(Fate fate, std::chrono::milliseconds lasts = std::chrono::hours(1));
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] std::size_t open_connections() const;

 private:
  struct Connection;
  using Instant = std::chrono::steady_clock::time_point;

  void run();
  void take_connection();
  // Each returns false when the connection is over.
  [[nodiscard]] bool advance(Connection& connection, Instant now);
  [[nodiscard]] static bool has_given_up(const Connection& connection);
  [[nodiscard]] static bool receive(Connection& connection, std::size_t end);
  [[nodiscard]] static bool deliver(Connection& connection, std::size_t end);
  void end(Connection& connection, Fate fate);

  SocketAddress address_;
  mutable std::mutex mutex_;  // guards what follows
  UniqueFd listener_;
  SocketAddress server_;
  Plan plan_;
  std::list<Connection> connections_;
  Counts counts_;
  Instant last_accept_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace meshdns::support
