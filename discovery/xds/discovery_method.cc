#include "discovery/xds/discovery_method.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "discovery/xds/request.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

struct Row {
  std::string_view path;
  DiscoveryMethod method;
};

constexpr auto kSotw = XdsVariant::kSotw;
constexpr auto kDelta = XdsVariant::kDelta;

constexpr std::array<Row, 10> kMethods{{
    {"/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
     {kSotw, {}}},
    {"/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
     {kDelta, {}}},
    {"/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
     {kSotw, kListenerTypeUrl}},
    {"/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners",
     {kDelta, kListenerTypeUrl}},
    {"/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes", {kSotw, kRouteTypeUrl}},
    {"/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes", {kDelta, kRouteTypeUrl}},
    {"/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters", {kSotw, kClusterTypeUrl}},
    {"/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters", {kDelta, kClusterTypeUrl}},
    {"/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints",
     {kSotw, kClusterLoadAssignmentTypeUrl}},
    {"/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints",
     {kDelta, kClusterLoadAssignmentTypeUrl}},
}};

}  // namespace

std::optional<DiscoveryMethod> find_discovery_method(std::string_view path) {
  const auto* const found = std::ranges::find(kMethods, path, &Row::path);
  return found == kMethods.end() ? std::nullopt : std::optional(found->method);
}

}  // namespace meshdns::discovery
