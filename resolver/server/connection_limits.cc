#include "resolver/server/connection_limits.h"

#include <cstddef>
#include <mutex>

#include "base/ip_address.h"

namespace meshdns::dns {

Admission ConnectionLimits::admit(const IpAddress& client) {
  const std::lock_guard lock(mutex_);
  if (total_ >= options_.total) {
    return Admission::kTotalReached;
  }
  std::size_t& held = by_client_[client];
  if (held >= options_.per_client && !client.is_loopback()) {
    return Admission::kClientReached;
  }
  ++held;
  ++total_;
  return Admission::kAdmitted;
}

void ConnectionLimits::release(const IpAddress& client) {
  const std::lock_guard lock(mutex_);
  const auto entry = by_client_.find(client);
  if (entry == by_client_.end()) {
    return;
  }
  --total_;
  if (--entry->second == 0) {
    by_client_.erase(entry);
  }
}

std::size_t ConnectionLimits::open() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace meshdns::dns
