// Values to xDS resources: the serialised messages, maps sorted, so that equal values are equal
// bytes.
#pragma once

#include <span>
#include <string>

#include "discovery/dataplane.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// A meshdns.mesh.v1.Service.
[[nodiscard]] std::string encode_service(const Service& service);

// An envoy.config.endpoint.v3.ClusterLoadAssignment in the strict form that gRPC's clients ask for:
// a locality per zone with a weight, one priority, IP literals, no endpoint twice. `endpoints` are
// sorted. The instance is the endpoint's hostname, which gRPC and Envoy use where they are told to
// rewrite a host only.
[[nodiscard]] std::string encode_endpoints(const std::string& name,
                                           std::span<const Endpoint> endpoints);

// A meshdns.mesh.v1.Dataplane.
[[nodiscard]] std::string encode_dataplane(const Dataplane& dataplane);

}  // namespace meshdns::discovery
