// Bounds on questions waiting for upstream, shared by all workers: in all, and per client address.
//
// Thread-safe: an atomic count, and a mutex for those of clients elsewhere.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "base/address_hash.h"
#include "base/ip_address.h"

namespace meshdns::dns {

class InFlightLimits {
 public:
  struct Options {
    std::size_t total = 10'000;
    // Loopback clients (all of this host: AccessList) count towards the total alone: to a sidecar,
    // 127.0.0.1 is everybody.
    std::size_t per_client = 1'000;
  };

  explicit InFlightLimits(const Options& options) : options_(options) {}

  // Whether one more question of this client may wait; if so, release() must follow. Throws
  // std::bad_alloc, and nothing has changed.
  [[nodiscard]] bool acquire(const IpAddress& client);
  void release(const IpAddress& client);

  [[nodiscard]] std::size_t in_flight() const { return total_; }

 private:
  [[nodiscard]] bool acquire_of(const IpAddress& client);

  Options options_;
  std::atomic<std::size_t> total_{0};
  std::mutex mutex_;  // guards all below
  // Without those that have none.
  std::unordered_map<IpAddress, std::size_t, AddressHash> by_client_;
};

}  // namespace meshdns::dns
