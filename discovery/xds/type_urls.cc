#include "discovery/xds/type_urls.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace meshdns::discovery {
namespace {

struct KnownType {
  std::string_view type_url;
  int order;
  std::string_view label;
};

constexpr std::array<KnownType, 6> kKnownTypes = {{
    {kClusterTypeUrl, 0, "cluster"},
    {kClusterLoadAssignmentTypeUrl, 1, "endpoint"},
    {kListenerTypeUrl, 2, "listener"},
    {kRouteTypeUrl, 3, "route"},
    {kServiceTypeUrl, 4, "service"},
    {kDataplaneTypeUrl, 5, "dataplane"},
}};

// Envoy's types that are fetched in parts; listeners and clusters are not among them.
constexpr std::array<std::string_view, 8> kPartTypes = {
    kClusterLoadAssignmentTypeUrl,
    kRouteTypeUrl,
    "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration",
    "type.googleapis.com/envoy.config.route.v3.VirtualHost",
    "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    "type.googleapis.com/envoy.service.runtime.v3.Runtime",
    "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
};

const KnownType* find(std::string_view type_url) {
  const auto* const at = std::ranges::find(kKnownTypes, type_url, &KnownType::type_url);
  return at == kKnownTypes.end() ? nullptr : at;
}

}  // namespace

bool is_full_state(std::string_view type_url) {
  return std::ranges::find(kPartTypes, type_url) == kPartTypes.end();
}

bool is_known_type(std::string_view type_url) { return find(type_url) != nullptr; }

int type_order(std::string_view type_url) {
  const KnownType* const type = find(type_url);
  return type == nullptr ? static_cast<int>(kKnownTypes.size()) : type->order;
}

std::string_view type_label(std::string_view type_url) {
  const KnownType* const type = find(type_url);
  return type == nullptr ? "other" : type->label;
}

}  // namespace meshdns::discovery
