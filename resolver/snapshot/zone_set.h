// The zones that are answered here and never forwarded. Hot path.
//
// Plain values without owner or thread; look-ups allocate nothing.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// A zone whose names never go upstream, or not before it is known which of them are ours.
struct OwnedZone {
  Name name;  // folded
  // Whether every feed that fills it with services has delivered. Until then its names are SERVFAIL
  // with EDE 14.
  bool ready = false;
  // The pool whose addresses' reverse names this zone holds; none for a zone of names.
  std::optional<IpPrefix> pool = std::nullopt;
  // Whether single endpoints below its services may still come: such a name that is not there is
  // not known either.
  bool awaits_instances = false;
  // Others have names in it, too: once ours are known, the rest of it is as outside of any zone.
  bool is_shared = false;
};

// Where a name stands among zones: the innermost zone that holds it.
struct ZoneMatch {
  const OwnedZone* zone = nullptr;  // null: none of ours
  std::size_t offset = 0;           // of the zone's name within the name's octets
};

// The zones in a form that finds the innermost one of a name in one pass over its labels.
class ZoneSet {
 public:
  ZoneSet() = default;
  explicit ZoneSet(std::vector<OwnedZone> zones);

  // `folded` is any folded name.
  [[nodiscard]] ZoneMatch find(NameView folded) const;
  [[nodiscard]] std::span<const OwnedZone> zones() const { return zones_; }

 private:
  std::vector<OwnedZone> zones_;
  std::array<bool, kMaxNameOctets + 1> has_size_{};  // whether any zone's name has so many octets
};

}  // namespace meshdns::dns
