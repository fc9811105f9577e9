// The resource types we know, and what xDS says about each.
#pragma once

#include <string_view>

namespace meshdns::discovery {

inline constexpr std::string_view kServiceTypeUrl = "type.googleapis.com/meshdns.mesh.v1.Service";
inline constexpr std::string_view kDataplaneTypeUrl =
    "type.googleapis.com/meshdns.mesh.v1.Dataplane";
inline constexpr std::string_view kListenerTypeUrl =
    "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr std::string_view kRouteTypeUrl =
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr std::string_view kClusterTypeUrl =
    "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kClusterLoadAssignmentTypeUrl =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
// Istio's; its one resource has no name.
inline constexpr std::string_view kNameTableTypeUrl =
    "type.googleapis.com/istio.networking.nds.v1.NameTable";
// Not a type of its own: it may wrap a resource of any type in state of the world.
inline constexpr std::string_view kWrapperTypeUrl =
    "type.googleapis.com/envoy.service.discovery.v3.Resource";

// True when a state-of-the-world response of this type carries everything the client should have,
// so that what it lacks is gone, and when an empty first request means all of it: listeners,
// clusters and every type that is not Envoy's. Endpoints, routes, secrets and the like are parts:
// they are asked for by name, and a response may carry some of them.
[[nodiscard]] bool is_full_state(std::string_view type_url);

// True for the types above: an empty table of such a type is an answer, an unknown type gets none.
[[nodiscard]] bool is_known_type(std::string_view type_url);

// The place of a type in a stream's order, make before break: clusters, endpoints, listeners,
// routes, services, the rest.
[[nodiscard]] int type_order(std::string_view type_url);

// "service", "cluster", ...; "other" for types that are not ours. For logs and metric labels.
[[nodiscard]] std::string_view type_label(std::string_view type_url);

}  // namespace meshdns::discovery
