#include "resolver/snapshot/zone_states.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/snapshot/reverse_name.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

// Folded.
Result<Name> parse_zone(const std::string& text) {
  auto name = Name::from_text(text);
  if (!name || name->view().is_root()) {
    return fail(ErrorCode::kInvalidArgument,
                "zone \"" + text + "\" is not a domain name below the root");
  }
  name->fold();
  return *name;
}

}  // namespace

Result<ZoneStates> ZoneStates::create(std::span<const std::string> owned,
                                      std::span<const std::string> shared,
                                      std::span<const IpPrefix> pools) {
  std::vector<OwnedZone> zones;
  const auto is_new = [&zones](const Name& name) {
    return std::ranges::none_of(zones,
                                [&name](const OwnedZone& zone) { return zone.name == name; });
  };
  for (const std::string& text : owned) {
    const auto name = parse_zone(text);
    if (!name) {
      return tl::unexpected(name.error());
    }
    if (is_new(*name)) {
      zones.push_back({.name = *name});
    }
  }
  for (const std::string& text : shared) {
    const auto name = parse_zone(text);
    if (!name) {
      return tl::unexpected(name.error());
    }
    if (std::ranges::none_of(
            zones, [&](const OwnedZone& zone) { return name->view().is_within(zone.name); })) {
      zones.push_back({.name = *name, .is_shared = true});
    }
  }
  for (const IpPrefix& pool : pools) {
    for (const Name& name : reverse_zones(pool)) {
      if (is_new(name)) {
        zones.push_back({.name = name, .pool = pool});
      }
    }
  }
  return ZoneStates(std::move(zones));
}

ZoneStates::ZoneStates(std::vector<OwnedZone> zones)
    : zones_(std::make_shared<const ZoneSet>(std::move(zones))) {}

std::shared_ptr<const ZoneSet> ZoneStates::changed(
    const std::function<void(OwnedZone&)>& change) const {
  std::vector<OwnedZone> zones(zones_->zones().begin(), zones_->zones().end());
  std::ranges::for_each(zones, change);
  return std::make_shared<const ZoneSet>(std::move(zones));
}

std::shared_ptr<const ZoneSet> ZoneStates::all_ready() const {
  return changed([](OwnedZone& zone) { zone.ready = true; });
}

void ZoneStates::set_ready(bool ready) {
  zones_ = changed([ready](OwnedZone& zone) { zone.ready = ready; });
}

void ZoneStates::set_ready(NameView zone_name, bool ready) {
  zones_ = changed([&](OwnedZone& zone) {
    if (zone.name.view().equals_ignoring_case(zone_name)) {
      zone.ready = ready;
    }
  });
}

void ZoneStates::set_awaits_instances(bool awaits) {
  zones_ = changed([awaits](OwnedZone& zone) { zone.awaits_instances = awaits && !zone.pool; });
}

}  // namespace meshdns::dns
