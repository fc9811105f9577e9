// The hand-over: how a running resolver gives its state folder and its sockets to a successor that
// was started with --take-over, so that no question is lost.
//
// Over STATE/handover.sock (0600, and the user of the peer is checked) the successor says hello;
// the predecessor has its resolver sync the state folder and let it go, then sends the lock of the
// folder and every socket. Both hold the sockets then, and the predecessor answers on. Once the
// successor answers it says so; the predecessor drains and ends. If the successor goes away before
// that, the predecessor goes on.
//
// The thread of main.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/app/keeper.h"
#include "resolver/app/keeper_message.h"

namespace meshdns::dns {

// STATE/handover.sock.
[[nodiscard]] std::string handover_socket(const std::string& state_directory);

// Whom a successor takes over from.
struct Predecessor {
  UniqueFd channel;
  KeptSockets sockets;
  UniqueFd lock;
  bool has_table = false;  // the successor needs one too, before it answers
};

// Asks the resolver that runs on the state folder. Nothing when there is none; an error when it
// refuses, is another user's, or says what nobody can understand.
[[nodiscard]] Result<std::optional<Predecessor>> ask_predecessor(
    const std::string& state_directory);

// The predecessor's side.
class HandoverServer {
 public:
  // What the resolver's parent has to do.
  class Host {
   public:
    Host() = default;
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    virtual ~Host() = default;
    virtual void freeze() = 0;  // answered by on_frozen()
    // What the successor gets.
    [[nodiscard]] virtual const KeptSockets& sockets() const = 0;
    [[nodiscard]] virtual int lock() const = 0;
    virtual void hand_over() = 0;  // the successor answers: drain and end
    // The successor is gone after freeze(): go on.
    virtual void go_on(const std::string& reason) = 0;
  };

  explicit HandoverServer(Host& host) : host_(host) {}

  // Replaces a socket that nobody listens on.
  [[nodiscard]] Result<void> open(const std::string& state_directory);
  void close();
  // Those to poll for reading.
  [[nodiscard]] std::vector<int> descriptors() const;
  void on_readable(TimePoint now);
  void on_frozen(const KeeperMessage& message, TimePoint now);
  // Gives up on who is late. Nothing to wait for: nothing.
  [[nodiscard]] std::optional<TimePoint> deadline() const { return deadline_; }
  void on_time(TimePoint now);
  // A successor is being served.
  [[nodiscard]] bool is_busy() const { return phase_ != Phase::kIdle; }
  // The resolver was asked to let its state folder go: hand_over() or go_on() follows.
  [[nodiscard]] bool has_frozen() const {
    return phase_ == Phase::kFreezing || phase_ == Phase::kOffered;
  }

 private:
  enum class Phase : std::uint8_t { kIdle, kGreeting, kFreezing, kOffered };

  // Reads what the successor says, or that it is gone.
  void hear(TimePoint now);
  void accept(TimePoint now);
  void on_message(const KeeperMessage& message, TimePoint now);
  [[nodiscard]] Result<void> send_sockets(std::uint32_t has_table);
  [[nodiscard]] Result<void> send(const KeeperMessage& message, const std::vector<int>& fds = {});
  void refuse(const std::string& reason);
  void drop(const std::string& reason);

  Host& host_;
  UniqueFd listener_;
  UniqueFd channel_;
  Phase phase_ = Phase::kIdle;
  std::optional<TimePoint> deadline_;
};

// Sends a listener and its pairs, in as many packets as it takes.
[[nodiscard]] Result<void> send_listener(int channel, const Listener& listener,
                                         std::chrono::milliseconds wait);

}  // namespace meshdns::dns
