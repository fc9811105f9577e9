#include "resolver/resolve/in_flight_limits.h"

#include <cstddef>
#include <mutex>

#include "base/ip_address.h"

namespace meshdns::dns {

bool InFlightLimits::acquire(const IpAddress& client) {
  bool fits = total_.fetch_add(1) < options_.total;
  try {
    fits = fits && (client.is_loopback() || acquire_of(client));
  } catch (...) {
    total_.fetch_sub(1);
    throw;
  }
  if (!fits) {
    total_.fetch_sub(1);
  }
  return fits;
}

bool InFlightLimits::acquire_of(const IpAddress& client) {
  const std::lock_guard lock(mutex_);
  if (options_.per_client == 0) {
    return false;
  }
  std::size_t& count = by_client_[client];
  if (count >= options_.per_client) {
    return false;
  }
  ++count;
  return true;
}

void InFlightLimits::release(const IpAddress& client) {
  if (!client.is_loopback()) {
    const std::lock_guard lock(mutex_);
    const auto entry = by_client_.find(client);
    if (entry != by_client_.end() && --entry->second == 0) {
      by_client_.erase(entry);
    }
  }
  total_.fetch_sub(1);
}

}  // namespace meshdns::dns
