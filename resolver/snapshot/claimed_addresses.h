// ClaimedAddresses: the addresses that owners have, each once, and who claims the pointers of those
// that have one. Packed: 28 octets, and some six to find it by.
//
// Belongs to the snapshot builder.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/ip_address.h"
#include "base/number_index.h"
#include "base/numbered_values.h"
#include "resolver/snapshot/claims.h"

namespace meshdns::dns {

class ClaimedAddress {
 public:
  Claims claims;

  ClaimedAddress() = default;
  explicit ClaimedAddress(const IpAddress& address);
  [[nodiscard]] IpAddress address() const {
    return IpAddress(std::span(octets_).first(is_v4_ ? 4 : 16));
  }

 private:
  friend class ClaimedAddresses;
  std::array<std::uint8_t, 16> octets_{};  // IPv4 in the first four
  std::uint32_t is_v4_ : 1 = false;
  std::uint32_t uses_ : 31 = 0;
};

class ClaimedAddresses {
 public:
  using Number = std::uint32_t;  // of an address, as long as it is used

  // The number of an address, which is used once more than before.
  Number use(const IpAddress& address);
  void release(Number address);

  [[nodiscard]] std::optional<Number> find(const IpAddress& address) const {
    return by_address_.find(address);
  }
  [[nodiscard]] ClaimedAddress& operator[](Number address) { return addresses_[address]; }
  [[nodiscard]] const ClaimedAddress& operator[](Number address) const {
    return addresses_[address];
  }

 private:
  struct ByAddress {
    using Key = IpAddress;
    static Key of(const ClaimedAddress& address) { return address.address(); }
    static std::size_t hash(const Key& address) { return std::hash<Key>{}(address); }
  };

  NumberedValues<ClaimedAddress> addresses_;
  NumberIndex<ClaimedAddress, ByAddress> by_address_{addresses_};
};

}  // namespace meshdns::dns
