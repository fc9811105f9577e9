#include "resolver/snapshot/zone_set.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "resolver/wire/name.h"

namespace meshdns::dns {

ZoneSet::ZoneSet(std::vector<OwnedZone> zones) : zones_(std::move(zones)) {
  for (const OwnedZone& zone : zones_) {
    has_size_.at(zone.name.size()) = true;
  }
}

ZoneMatch ZoneSet::find(NameView folded) const {
  const auto octets = folded.octets();
  // From the whole name to shorter suffixes: the first zone met is the innermost.
  for (std::size_t at = 0; at < octets.size(); at += octets[at] + 1U) {
    if (!has_size_.at(octets.size() - at)) {
      continue;
    }
    const NameView suffix(octets.subspan(at));
    for (const OwnedZone& zone : zones_) {
      if (zone.name.view() == suffix) {
        return {.zone = &zone, .offset = at};
      }
    }
  }
  return {};
}

}  // namespace meshdns::dns
