#include "discovery/feeds/cluster_hostname.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "discovery/dns_name.h"

namespace meshdns::discovery {

std::optional<std::string> cluster_hostname(std::string_view cluster,
                                            std::span<const std::string> zones) {
  std::string hostname = fold_name(cluster);
  const bool is_inside = std::ranges::any_of(
      zones, [&](const std::string& zone) { return hostname.ends_with("." + zone); });
  if (!is_inside) {
    hostname += "." + zones.front();
  }
  return is_dns_name(hostname) ? std::optional(hostname) : std::nullopt;
}

}  // namespace meshdns::discovery
