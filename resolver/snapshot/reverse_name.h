// Names of the reverse trees: in-addr.arpa (RFC 1035 section 3.5) and ip6.arpa (RFC 3596
// section 2.5). parse_reverse_name() is Hot path.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// The zones that hold exactly the reverse names of `pool`: one, or several where the prefix ends
// inside an octet (IPv4) or nibble (IPv6). 244.0.0.0/6 gives 244, 245, 246 and 247.in-addr.arpa.
[[nodiscard]] std::vector<Name> reverse_zones(const IpPrefix& pool);

// Where a name stands in a reverse tree.
struct ReverseName {
  enum class Kind : std::uint8_t {
    kNone,     // no reverse name: something else, or a label that no address has
    kPartial,  // of a block of addresses
    kAddress,  // of one address
  };
  Kind kind = Kind::kNone;
  IpAddress address;  // for kAddress
};

// `folded` is any folded name. Octets are decimal without leading zeros, nibbles one hexadecimal
// digit each.
[[nodiscard]] ReverseName parse_reverse_name(NameView folded);

}  // namespace meshdns::dns
