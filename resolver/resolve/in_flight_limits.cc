#include "resolver/resolve/in_flight_limits.h"

#include <cstddef>
#include <mutex>

#include "base/ip_address.h"

namespace meshdns::dns {

bool InFlightLimits::acquire(const IpAddress& client) {
  const std::lock_guard lock(mutex_);
  if (total_ >= options_.total) {
    return false;
  }
  if (!client.is_loopback()) {
    const auto [entry, is_new] = by_client_.try_emplace(client, 0);
    if (entry->second >= options_.per_client) {
      return false;
    }
    ++entry->second;
  }
  ++total_;
  return true;
}

void InFlightLimits::release(const IpAddress& client) {
  const std::lock_guard lock(mutex_);
  --total_;
  if (client.is_loopback()) {
    return;
  }
  const auto entry = by_client_.find(client);
  if (entry != by_client_.end() && --entry->second == 0) {
    by_client_.erase(entry);
  }
}

std::size_t InFlightLimits::in_flight() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace meshdns::dns
