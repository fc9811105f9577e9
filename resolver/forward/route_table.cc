#include "resolver/forward/route_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using Octets = std::array<char, kMaxNameOctets>;

std::string_view copy_folded(NameView name, Octets& octets) {
  Name folded;
  folded.assign_folded(name);
  const auto* const end =
      std::ranges::transform(folded.octets(), octets.begin(), [](std::uint8_t octet) {
        return static_cast<char>(octet);
      }).out;
  return {octets.begin(), end};
}

}  // namespace

RouteTable::RouteTable(const std::vector<Route>& routes) {
  for (const Route& route : routes) {
    Octets octets{};
    routes_.emplace(copy_folded(route.suffix, octets),
                    Way{.answer = route.answer, .group = route.group});
    most_labels_ = std::max(most_labels_, route.suffix.view().label_count());
  }
}

std::vector<Name> RouteTable::suffixes() const {
  std::vector<Name> names;
  for (const auto& [octets, way] : routes_) {
    std::vector<std::uint8_t> wire;
    std::ranges::transform(octets, std::back_inserter(wire),
                           [](char octet) { return static_cast<std::uint8_t>(octet); });
    if (const auto name = Name::from_wire(wire)) {
      names.push_back(*name);
    }
  }
  return names;
}

RouteTable::Match RouteTable::find(NameView name) const {
  if (routes_.empty()) {
    return {};
  }
  Octets octets{};
  std::string_view rest = copy_folded(name, octets);
  for (std::size_t labels = name.label_count();; --labels) {
    if (labels <= most_labels_) {
      const auto found = routes_.find(rest);
      if (found != routes_.end()) {
        return {.answer = found->second.answer, .group = found->second.group, .labels = labels};
      }
    }
    if (labels == 0) {
      return {};
    }
    rest.remove_prefix(static_cast<std::uint8_t>(rest.front()) + std::size_t{1});
  }
}

}  // namespace meshdns::dns
