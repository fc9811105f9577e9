#include "tests/support/xds_messages.h"

#include <string>
#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"

namespace meshdns::support {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;

void add(const WireEndpoint& endpoint, ClusterLoadAssignment& assignment) {
  auto& locality = *assignment.add_endpoints();
  locality.mutable_locality()->set_zone("east");
  locality.mutable_load_balancing_weight()->set_value(1);
  locality.set_priority(endpoint.priority);
  auto& member = *locality.add_lb_endpoints();
  member.set_health_status(static_cast<envoy::config::core::v3::HealthStatus>(endpoint.health));
  auto& socket = *member.mutable_endpoint()->mutable_address()->mutable_socket_address();
  socket.set_address(endpoint.address);
  socket.set_port_value(endpoint.port);
  member.mutable_endpoint()->set_hostname(endpoint.hostname);
}

}  // namespace

std::string eds_cluster(const std::string& name, const std::string& assignment) {
  Cluster cluster;
  cluster.set_name(name);
  cluster.set_type(Cluster::EDS);
  auto& eds = *cluster.mutable_eds_cluster_config();
  eds.mutable_eds_config()->mutable_ads();
  eds.set_service_name(assignment);
  return cluster.SerializeAsString();
}

std::string cluster_with(int type, const std::string& name,
                         const std::vector<std::string>& addresses) {
  Cluster cluster;
  cluster.set_name(name);
  cluster.set_type(static_cast<Cluster::DiscoveryType>(type));
  for (const std::string& address : addresses) {
    cluster.mutable_load_assignment()->set_cluster_name(name);
    add({.address = address}, *cluster.mutable_load_assignment());
  }
  return cluster.SerializeAsString();
}

std::string load_assignment(const std::string& name, const std::vector<WireEndpoint>& endpoints) {
  ClusterLoadAssignment assignment;
  assignment.set_cluster_name(name);
  for (const WireEndpoint& endpoint : endpoints) {
    add(endpoint, assignment);
  }
  return assignment.SerializeAsString();
}

}  // namespace meshdns::support
