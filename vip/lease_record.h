// LeaseRecord: one change of one lease, as the journal stores it and the allocator replays it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ip_address.h"

namespace meshdns::vip {

enum class LeaseState : std::uint8_t {
  kActive = 1,    // a service holds the addresses
  kReleased = 2,  // nobody does; they are the key's again if it returns in time
};

// The whole state of a key after the change, so that replaying a record twice changes nothing. A
// view: `key` lives as long as what the record was made from.
struct LeaseRecord {
  LeaseState state = LeaseState::kActive;
  std::optional<IpAddress> ipv4;  // at least one of the two
  std::optional<IpAddress> ipv6;
  std::string_view key;  // 1 to kMaxKeyOctets octets

  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

}  // namespace meshdns::vip
