// ClaimedNames: the names that owners claim, and those above them. Packed: 24 octets, the name, and
// some six octets to find it by.
//
// Belongs to the snapshot builder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/number_index.h"
#include "base/numbered_values.h"
#include "base/packed_text.h"
#include "resolver/snapshot/claims.h"
#include "resolver/snapshot/name_octets.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

struct ClaimedName {
  PackedText octets;  // folded wire form
  Claims claims;
  std::uint32_t held_below = 0;  // held names under this one, within its zone

  [[nodiscard]] NameView view() const { return to_name(octets.view()); }
};

class ClaimedNames {
 public:
  using Number = std::uint32_t;  // of a name, until it is erased

  // The number of a name, which is added if it is new.
  Number add(NameView folded);
  void erase(Number name);

  [[nodiscard]] ClaimedName& operator[](Number name) { return names_[name]; }
  [[nodiscard]] const ClaimedName& operator[](Number name) const { return names_[name]; }

 private:
  struct ByOctets {
    using Key = std::string_view;
    static Key of(const ClaimedName& name) { return name.octets.view(); }
    static std::size_t hash(Key octets) { return std::hash<Key>{}(octets); }
  };

  NumberedValues<ClaimedName> names_;
  NumberIndex<ClaimedName, ByOctets> by_octets_{names_};
};

}  // namespace meshdns::dns
