// The methods of xDS's discovery services that are served: the aggregated one, and those for one
// type each. Their unary forms (Fetch...) are not: nothing would tell their clients of a change.
#pragma once

#include <optional>
#include <string_view>

#include "discovery/xds/request.h"

namespace meshdns::discovery {

struct DiscoveryMethod {
  XdsVariant variant = XdsVariant::kSotw;
  std::string_view type_url{};  // the only one there; empty: any

  friend bool operator==(const DiscoveryMethod&, const DiscoveryMethod&) = default;
};

// By its path in HTTP/2, "/SERVICE/METHOD"; nothing for any other.
[[nodiscard]] std::optional<DiscoveryMethod> find_discovery_method(std::string_view path);

}  // namespace meshdns::discovery
