// Pin: addresses that a key is to have because a person says so, and why it may not have them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/ip_address.h"

namespace meshdns::vip {

struct Pin {
  std::string key;                // 1 to kMaxKeyOctets octets
  std::optional<IpAddress> ipv4;  // at least one of the two
  std::optional<IpAddress> ipv6;
};

enum class PinMode : std::uint8_t {
  kOnlyWithoutLease,  // a key that holds another address of the family keeps it
  kForce,             // it loses that one, which is quarantined
};

struct PinRefusal {
  enum class Reason : std::uint8_t {
    kOutsidePool,  // no pool has the address
    kPoolEdge,     // the first or last of a pool, which are never used
    kHeld,         // `holder` holds it
    kQuarantined,  // `holder` held it, and nobody else may have it for another `remaining`
    kHasLease,     // the key holds `has` instead
    kRepeated,     // an earlier pin names the key or the address, too
  };

  std::size_t pin = 0;  // the number of the pin among those that were asked about
  Reason reason = Reason::kOutsidePool;
  IpAddress address;
  std::string holder;
  std::chrono::nanoseconds remaining{0};
  std::optional<IpAddress> has;
};

}  // namespace meshdns::vip
