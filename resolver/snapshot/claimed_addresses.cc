#include "resolver/snapshot/claimed_addresses.h"

#include <algorithm>

#include "base/ip_address.h"

namespace meshdns::dns {

ClaimedAddress::ClaimedAddress(const IpAddress& address) : is_v4_(address.is_v4()) {
  std::ranges::copy(address.octets(), octets_.begin());
}

ClaimedAddresses::Number ClaimedAddresses::use(const IpAddress& address) {
  const auto known = by_address_.find(address);
  const Number number = known ? *known : addresses_.add(ClaimedAddress(address));
  if (!known) {
    by_address_.insert(number);
  }
  ++addresses_[number].uses_;
  return number;
}

void ClaimedAddresses::release(Number address) {
  ClaimedAddress& released = addresses_[address];
  --released.uses_;
  if (released.uses_ == 0) {
    by_address_.erase(address);
    addresses_.remove(address);
  }
}

}  // namespace meshdns::dns
