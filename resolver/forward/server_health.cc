#include "resolver/forward/server_health.h"

#include <atomic>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/ip_address.h"

namespace meshdns::dns {

bool ServerHealth::hold_for_loop(TimePoint now) {
  const auto until = (now + kLoopHold).time_since_epoch().count();
  return looping_until_.exchange(until, std::memory_order_relaxed) <=
         now.time_since_epoch().count();
}

bool ServerHealth::claim_loop_probe(TimePoint now) {
  auto due = next_loop_probe_.load(std::memory_order_relaxed);
  return now.time_since_epoch().count() >= due &&
         next_loop_probe_.compare_exchange_strong(
             due, (now + kLoopProbeInterval).time_since_epoch().count(), std::memory_order_relaxed);
}

ServerHealth& HealthBook::of(const SocketAddress& server) {
  const std::scoped_lock lock(mutex_);
  auto& entry = servers_[server];
  if (!entry) {
    entry = std::make_unique<ServerHealth>(server);
  }
  return *entry;
}

}  // namespace meshdns::dns
