// Names that are answered the same everywhere and never go upstream (RFC 6761, 6303, 7686, 9462).
// Hot path.
//
// Immutable after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

class SpecialNames {
 public:
  // Each group of names can be left to upstream instead.
  struct Options {
    bool localhost = true;  // localhost and below: the loopback addresses (RFC 6761 section 6.3)
    bool invalid = true;    // NXDOMAIN (RFC 6761 section 6.4)
    bool test = true;       // NXDOMAIN (RFC 6761 section 6.2)
    bool onion = true;      // NXDOMAIN (RFC 7686 section 2)
    bool resolver_arpa = true;     // NODATA: no designated resolver (RFC 9462 section 6.4)
    bool reverse_loopback = true;  // 127/8, 0/8, 255.255.255.255, ::1 and :: (RFC 6303 section 4)
    // Names, folded, that have a way of their own: at and below each there is nothing special.
    std::vector<Name> routed = {};
  };

  enum class Action : std::uint8_t {
    kNone,       // not a special name
    kLoopback,   // A 127.0.0.1, AAAA ::1, at the zone and below
    kNoName,     // NXDOMAIN at the zone and below
    kEmptyTree,  // NODATA at the zone and below
    kReverse,    // PTR localhost for a loopback address, no other address
  };
  struct Match {
    Action action = Action::kNone;
    std::size_t offset = 0;  // of the zone's name within the name
  };

  explicit SpecialNames(const Options& options);

  [[nodiscard]] Match find(NameView folded) const;

 private:
  ZoneSet zones_;
  std::vector<Action> actions_;  // by index in zones_
  ZoneSet routed_;               // those within zones_
};

}  // namespace meshdns::dns
