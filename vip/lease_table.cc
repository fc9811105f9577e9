#include "vip/lease_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/ip_address.h"
#include "base/packed_text.h"

namespace meshdns::vip {
namespace {

// `address` has as many octets.
template <std::size_t Size>
std::array<std::uint8_t, Size> octets_of(const IpAddress& address) {
  std::array<std::uint8_t, Size> octets{};
  std::ranges::copy(address.octets(), octets.begin());
  return octets;
}

}  // namespace

std::size_t LeaseTable::ByIpv6::hash(const Key& address) {
  const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(address);
  return halves[0] * 31 + halves[1];  // the second is a hash where it comes from a pool
}

std::optional<LeaseTable::Number> LeaseTable::find(std::string_view key) const {
  return by_key_.find(key);
}

std::optional<LeaseTable::Number> LeaseTable::find(const IpAddress& address) const {
  if (address.is_v4()) {
    return by_ipv4_.find(octets_of<4>(address));
  }
  const auto ipv6 = by_ipv6_.find(octets_of<16>(address));
  return ipv6 ? std::optional(ipv6_[*ipv6].lease) : std::nullopt;
}

LeaseTable::Number LeaseTable::insert(std::string_view key) {
  Lease lease;
  lease.key = PackedText(key);
  const Number number = leases_.add(std::move(lease));
  by_key_.insert(number);
  return number;
}

void LeaseTable::erase(Number lease) {
  clear_address(lease, IpFamily::kV4);
  clear_address(lease, IpFamily::kV6);
  by_key_.erase(lease);
  leases_.remove(lease);
}

std::optional<IpAddress> LeaseTable::address(Number lease, IpFamily family) const {
  const Lease& of = leases_[lease];
  if (family == IpFamily::kV4) {
    return of.has_ipv4 ? std::optional(IpAddress(of.ipv4)) : std::nullopt;
  }
  return of.ipv6 != kNoIpv6 ? std::optional(IpAddress(ipv6_[of.ipv6].octets)) : std::nullopt;
}

void LeaseTable::set_address(Number lease, const IpAddress& address) {
  clear_address(lease, address.family());
  Lease& of = leases_[lease];
  if (address.is_v4()) {
    of.ipv4 = octets_of<4>(address);
    of.has_ipv4 = true;
    by_ipv4_.insert(lease);
  } else {
    const auto ipv6 = ipv6_.add({.octets = octets_of<16>(address), .lease = lease});
    by_ipv6_.insert(ipv6);
    of.ipv6 = ipv6 & kNoIpv6;
  }
}

void LeaseTable::clear_address(Number lease, IpFamily family) {
  Lease& of = leases_[lease];
  if (family == IpFamily::kV4 && of.has_ipv4) {
    by_ipv4_.erase(lease);
    of.has_ipv4 = false;
  } else if (family == IpFamily::kV6 && of.ipv6 != kNoIpv6) {
    by_ipv6_.erase(of.ipv6);
    ipv6_.remove(of.ipv6);
    of.ipv6 = kNoIpv6;
  }
}

}  // namespace meshdns::vip
