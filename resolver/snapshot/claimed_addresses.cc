#include "resolver/snapshot/claimed_addresses.h"

#include <cstddef>
#include <optional>

#include "base/ip_address.h"

namespace meshdns::dns {

template <std::size_t kOctets>
std::optional<ClaimedAddresses::Number> ClaimedAddresses::Family<kOctets>::find(
    const IpAddress& address) const {
  const auto place = by_octets_.find(octets_of(address));
  return place ? std::optional(*place * 2 + (kOctets == 4 ? 0 : kIpv6)) : std::nullopt;
}

template <std::size_t kOctets>
ClaimedAddresses::Number ClaimedAddresses::Family<kOctets>::use(const IpAddress& address) {
  const Octets octets = octets_of(address);
  auto place = by_octets_.find(octets);
  if (!place) {
    place = values_.add({.claims = {}, .octets = octets});
    by_octets_.insert(*place);
  }
  ++values_[*place].uses;
  return *place * 2 + (kOctets == 4 ? 0 : kIpv6);
}

template <std::size_t kOctets>
void ClaimedAddresses::Family<kOctets>::release(Number number) {
  const Number place = number / 2;
  if (--values_[place].uses == 0) {
    by_octets_.erase(place);
    values_.remove(place);
  }
}

ClaimedAddresses::Number ClaimedAddresses::use(const IpAddress& address) {
  return address.is_v4() ? ipv4_.use(address) : ipv6_.use(address);
}

void ClaimedAddresses::release(Number address) {
  is_v4(address) ? ipv4_.release(address) : ipv6_.release(address);
}

std::optional<ClaimedAddresses::Number> ClaimedAddresses::find(const IpAddress& address) const {
  return address.is_v4() ? ipv4_.find(address) : ipv6_.find(address);
}

IpAddress ClaimedAddresses::address(Number number) const {
  return is_v4(number) ? IpAddress(ipv4_.of(number).octets) : IpAddress(ipv6_.of(number).octets);
}

}  // namespace meshdns::dns
