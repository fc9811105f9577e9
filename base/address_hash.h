// A keyed hash of addresses, for tables that strangers' addresses fill: whoever chooses addresses
// cannot choose which of them collide. Each table has a key of its own.
#pragma once

#include <cstddef>

#include "base/ip_address.h"
#include "base/sip_hash.h"

namespace meshdns {

struct AddressHash {
  HashKey key = HashKey::random();

  [[nodiscard]] std::size_t operator()(const IpAddress& address) const {
    return sip_hash<1, 3>(key, address.octets());
  }
};

}  // namespace meshdns
