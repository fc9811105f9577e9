#include "resolver/answer/special_names.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

// ::1 and :: in ip6.arpa end alike.
constexpr std::string_view kThirtyOneZeros =
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.";

}  // namespace

SpecialNames::SpecialNames(const Options& options) {
  std::vector<OwnedZone> zones;
  const auto add = [&](bool wanted, const std::string& text, Action action) {
    if (wanted) {
      zones.push_back({*Name::from_text(text), true, std::nullopt});
      actions_.push_back(action);
    }
  };
  add(options.localhost, "localhost.", Action::kLoopback);
  add(options.invalid, "invalid.", Action::kNoName);
  add(options.test, "test.", Action::kNoName);
  add(options.onion, "onion.", Action::kNoName);
  add(options.resolver_arpa, "resolver.arpa.", Action::kEmptyTree);
  add(options.reverse_loopback, "127.in-addr.arpa.", Action::kReverse);
  add(options.reverse_loopback, "0.in-addr.arpa.", Action::kReverse);
  add(options.reverse_loopback, "255.255.255.255.in-addr.arpa.", Action::kReverse);
  add(options.reverse_loopback, "1." + std::string(kThirtyOneZeros), Action::kReverse);
  add(options.reverse_loopback, "0." + std::string(kThirtyOneZeros), Action::kReverse);
  zones_ = ZoneSet(std::move(zones));
  std::vector<OwnedZone> routed;
  for (const Name& name : options.routed) {
    if (zones_.find(name).zone != nullptr) {
      routed.push_back({name, true, std::nullopt});
    }
  }
  routed_ = ZoneSet(std::move(routed));
}

SpecialNames::Match SpecialNames::find(NameView folded) const {
  const ZoneMatch match = zones_.find(folded);
  if (match.zone == nullptr || routed_.find(folded).zone != nullptr) {
    return {};
  }
  const auto index = static_cast<std::size_t>(match.zone - zones_.zones().data());
  return {.action = actions_.at(index), .offset = match.offset};
}

}  // namespace meshdns::dns
