// What is known of one upstream server: one per address and process, whichever worker learnt it.
//
// Thread-safe: atomics, each of which stands for itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/ip_address.h"

namespace meshdns::dns {

class ServerHealth {
 public:
  // How long a server is not asked that leads back to us.
  static constexpr std::chrono::seconds kLoopHold{60};
  // How often a question that came back may be looked into.
  static constexpr std::chrono::seconds kLoopProbeInterval{1};

  explicit ServerHealth(const SocketAddress& server) : server_(server) {}

  [[nodiscard]] const SocketAddress& server() const { return server_; }

  // It was seen to lead back to us; false when that was known already.
  bool hold_for_loop(TimePoint now);
  [[nodiscard]] bool is_looping(TimePoint now) const { return is_before(now, looping_until_); }
  // True for one caller in each kLoopProbeInterval.
  [[nodiscard]] bool claim_loop_probe(TimePoint now);

 private:
  using Nanoseconds = std::atomic<TimePoint::rep>;
  [[nodiscard]] static bool is_before(TimePoint now, const Nanoseconds& end) {
    return now.time_since_epoch().count() < end.load(std::memory_order_relaxed);
  }

  SocketAddress server_;
  Nanoseconds looping_until_{0};
  Nanoseconds next_loop_probe_{0};
};

// All servers that were ever asked. Any thread, not per question.
class HealthBook {
 public:
  HealthBook() = default;
  HealthBook(const HealthBook&) = delete;
  HealthBook& operator=(const HealthBook&) = delete;
  ~HealthBook() = default;

  // The same object for the same address, as long as the book lives.
  [[nodiscard]] ServerHealth& of(const SocketAddress& server);

 private:
  std::mutex mutex_;
  std::map<SocketAddress, std::unique_ptr<ServerHealth>> servers_;
};

}  // namespace meshdns::dns
