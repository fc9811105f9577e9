// ClaimedAddresses: the addresses that owners have, each once, and who claims the pointers of those
// that have one. Packed: 16 octets for an IPv4 address and 28 for an IPv6 one, and some six to find
// it by.
//
// Belongs to the snapshot builder.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/ip_address.h"
#include "base/number_index.h"
#include "base/numbered_values.h"
#include "resolver/snapshot/claims.h"

namespace meshdns::dns {

class ClaimedAddresses {
 public:
  using Number = std::uint32_t;  // of an address, as long as it is used

  // The number of an address, which is used once more than before.
  Number use(const IpAddress& address);
  void release(Number address);

  [[nodiscard]] std::optional<Number> find(const IpAddress& address) const;
  [[nodiscard]] IpAddress address(Number number) const;
  [[nodiscard]] Claims& claims(Number number) {
    return is_v4(number) ? ipv4_.of(number).claims : ipv6_.of(number).claims;
  }
  [[nodiscard]] const Claims& claims(Number number) const {
    return is_v4(number) ? ipv4_.of(number).claims : ipv6_.of(number).claims;
  }

 private:
  // A number is twice what its family has the address under, and one more for IPv6.
  static constexpr Number kIpv6 = 1;
  static bool is_v4(Number number) { return (number & kIpv6) == 0; }

  // The addresses of one family.
  template <std::size_t kOctets>
  class Family {
   public:
    using Octets = std::array<std::uint8_t, kOctets>;
    struct Claimed {
      Claims claims;
      std::uint32_t uses = 0;
      Octets octets{};
    };

    static Octets octets_of(const IpAddress& address) {
      Octets octets{};
      std::ranges::copy(address.octets(), octets.begin());
      return octets;
    }
    [[nodiscard]] Claimed& of(Number number) { return values_[number / 2]; }
    [[nodiscard]] const Claimed& of(Number number) const { return values_[number / 2]; }
    [[nodiscard]] std::optional<Number> find(const IpAddress& address) const;
    Number use(const IpAddress& address);
    void release(Number number);

   private:
    struct ByOctets {
      using Key = Octets;
      static const Key& of(const Claimed& claimed) { return claimed.octets; }
      static std::size_t hash(const Key& octets) {
        return std::hash<IpAddress>{}(IpAddress(octets));
      }
    };

    NumberedValues<Claimed> values_;
    NumberIndex<Claimed, ByOctets> by_octets_{values_};
  };

  Family<4> ipv4_;
  Family<16> ipv6_;
};

}  // namespace meshdns::dns
