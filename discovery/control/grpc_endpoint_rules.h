// gRPC's rules for the endpoints of a cluster.
#pragma once

#include "envoy/config/endpoint/v3/endpoint.pb.h"

namespace meshdns::discovery {

// Throws a GrpcRefusal.
void check_localities(const envoy::config::endpoint::v3::ClusterLoadAssignment& assignment);

}  // namespace meshdns::discovery
