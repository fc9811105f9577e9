// The resources by which gRPC's own xDS clients reach one port of a service: listener, routes,
// cluster and endpoints, in the strict form that they ask for. Pure: no I/O, no thread.
//
// A client of xds:///HOSTNAME:PORT asks for the listener of that name, which leads to the routes
// MESH/NAME:PORT, these to the cluster of the same name and that one to the endpoints of the same
// name. No service is called so, since the names of services have no colon. Clusters and endpoints
// are the proxies', too (envoy_resources.h), so clusters are listed. The rest is there by name
// only: a proxy that asks for all listeners has no use for one without an address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "discovery/service.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

// What the forms for zones of one port's endpoints may take together. They hold all endpoints each,
// so that they grow with the square of a service that is spread over ever more zones.
inline constexpr std::size_t kMaxZoneFormBytes = std::size_t{16} << 20U;

// "HOSTNAME:PORT": the listener's name, and the authority of a client's calls.
[[nodiscard]] std::string grpc_authority(const std::string& hostname, std::uint16_t port);

// "MESH/NAME:PORT": what routes, cluster and endpoints are called.
[[nodiscard]] std::string grpc_target(const ServiceId& id, std::uint16_t port);

[[nodiscard]] ResourceUpdate grpc_listener(const std::string& authority, const std::string& target);

// Every call to one of `authorities` goes to the cluster `target`.
[[nodiscard]] ResourceUpdate grpc_routes(const std::string& target,
                                         std::span<const std::string> authorities);

// Endpoints over the same stream, in turn. Where `protocol` is one of HTTP/2 a proxy speaks that to
// them; gRPC's clients do anyway.
[[nodiscard]] ResourceUpdate grpc_cluster(const std::string& target, Protocol protocol);

struct GrpcEndpoints {
  ResourceUpdate update;
  std::string warning;  // empty: none
};

// `endpoints`: those of the port, sorted, no address twice; the unhealthy ones are left out. There
// is a locality for each zone, with as much weight as it has endpoints, and all have priority 0. In
// the form for a zone that has endpoints, where others have some too, its own have priority 0 and
// all others priority 1: they are for when there are no others. Forms beyond kMaxZoneFormBytes are
// left out, with a warning: all clients get the same.
[[nodiscard]] GrpcEndpoints grpc_endpoints(const std::string& target,
                                           std::span<const Endpoint> endpoints);

}  // namespace meshdns::discovery
