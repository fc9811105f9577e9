#include "resolver/snapshot/claimed_names.h"

#include <string_view>
#include <utility>

#include "base/packed_text.h"
#include "resolver/snapshot/name_octets.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

ClaimedNames::Number ClaimedNames::add(NameView folded) {
  const std::string_view octets = to_characters(folded);
  if (const auto known = by_octets_.find(octets)) {
    return *known;
  }
  ClaimedName name;
  name.octets = PackedText(octets);
  const Number number = names_.add(std::move(name));
  by_octets_.insert(number);
  return number;
}

void ClaimedNames::erase(Number name) {
  by_octets_.erase(name);
  names_.remove(name);
}

}  // namespace meshdns::dns
