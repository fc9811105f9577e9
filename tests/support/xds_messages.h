// Clusters and endpoints as the control planes of others send them: serialised messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meshdns::support {

// A Cluster of type EDS; `assignment`: its eds_cluster_config.service_name.
[[nodiscard]] std::string eds_cluster(const std::string& name, const std::string& assignment = {});

// A Cluster of `type` (a number of Cluster.DiscoveryType) that brings these addresses along, each
// with port 80; without any it has no load_assignment.
[[nodiscard]] std::string cluster_with(int type, const std::string& name,
                                       const std::vector<std::string>& addresses);

struct WireEndpoint {
  std::string address;
  std::uint32_t port = 80;
  int health = 0;  // a number of HealthStatus
  std::uint32_t priority = 0;
  std::string hostname = {};
};

// A ClusterLoadAssignment, a locality of the zone "east" for each endpoint.
[[nodiscard]] std::string load_assignment(const std::string& name,
                                          const std::vector<WireEndpoint>& endpoints);

inline constexpr std::string_view kClusterType =
    "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kEndpointType =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

}  // namespace meshdns::support
