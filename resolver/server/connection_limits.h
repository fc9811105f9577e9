// How many TCP connections clients may hold, in all and per address, over all workers.
//
// Thread-safe: a mutex of its own, taken when a connection comes or goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "base/address_hash.h"
#include "base/ip_address.h"

namespace meshdns::dns {

enum class Admission : std::uint8_t { kAdmitted, kTotalReached, kClientReached };

class ConnectionLimits {
 public:
  struct Options {
    std::size_t total = 1024;
    // Loopback clients count towards the total alone: to a sidecar, 127.0.0.1 is everybody.
    std::size_t per_client = 256;
  };

  explicit ConnectionLimits(const Options& options) : options_(options) {}

  // kAdmitted: release() must follow.
  [[nodiscard]] Admission admit(const IpAddress& client);
  void release(const IpAddress& client);

  [[nodiscard]] std::size_t open() const;

 private:
  Options options_;
  mutable std::mutex mutex_;  // guards all below
  std::size_t total_ = 0;
  std::unordered_map<IpAddress, std::size_t, AddressHash> by_client_;
};

}  // namespace meshdns::dns
