#include "discovery/feeds/resource_encoding.h"

#include <map>
#include <span>
#include <string>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message_lite.h>

#include "discovery/dataplane.h"
#include "discovery/service.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "meshdns/mesh/v1/dataplane.pb.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace meshdns::discovery {
namespace {

std::string serialise(const google::protobuf::MessageLite& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

envoy::config::core::v3::HealthStatus status_of(Health health) {
  switch (health) {
    case Health::kUnknown:
      return envoy::config::core::v3::UNKNOWN;
    case Health::kHealthy:
      return envoy::config::core::v3::HEALTHY;
    case Health::kUnhealthy:
      return envoy::config::core::v3::UNHEALTHY;
  }
  return envoy::config::core::v3::UNKNOWN;
}

}  // namespace

std::string encode_service(const Service& service) {
  mesh::v1::Service message;
  message.set_mesh(service.id.mesh);
  message.set_zone(service.zone);
  message.set_name(service.id.name);
  for (const auto& hostname : service.hostnames) {
    message.add_hostnames(hostname);
  }
  for (const auto& address : service.addresses) {
    message.add_addresses(address.to_string());
  }
  for (const auto& port : service.ports) {
    auto& added = *message.add_ports();
    added.set_name(port.name);
    added.set_number(port.number);
    added.set_protocol(std::string(to_string(port.protocol)));
  }
  message.mutable_tags()->insert(service.tags.begin(), service.tags.end());
  message.set_answers(std::string(to_string(service.answers)));
  message.set_awaits_address(service.awaits_address);
  return serialise(message);
}

std::string encode_endpoints(const std::string& name, std::span<const Endpoint> endpoints) {
  namespace v3 = envoy::config::endpoint::v3;
  v3::ClusterLoadAssignment message;
  message.set_cluster_name(name);
  std::map<std::string, std::vector<const Endpoint*>> zones;
  for (const Endpoint& endpoint : endpoints) {
    zones[endpoint.zone].push_back(&endpoint);
  }
  for (const auto& [zone, members] : zones) {
    auto& locality = *message.add_endpoints();
    locality.mutable_locality()->set_zone(zone);
    locality.mutable_load_balancing_weight()->set_value(static_cast<unsigned>(members.size()));
    for (const Endpoint* member : members) {
      auto& endpoint = *locality.add_lb_endpoints();
      auto& socket = *endpoint.mutable_endpoint()->mutable_address()->mutable_socket_address();
      socket.set_address(member->address.to_string());
      socket.set_port_value(member->port);
      endpoint.mutable_endpoint()->set_hostname(member->instance);
      endpoint.set_health_status(status_of(member->health));
    }
  }
  return serialise(message);
}

std::string encode_dataplane(const Dataplane& dataplane) {
  mesh::v1::Dataplane message;
  message.set_mesh(dataplane.mesh);
  message.set_name(dataplane.name);
  message.mutable_labels()->insert(dataplane.labels.begin(), dataplane.labels.end());
  auto& networking = *message.mutable_networking();
  networking.set_address(dataplane.address.to_string());
  for (const Inbound& inbound : dataplane.inbounds) {
    auto& added = *networking.add_inbound();
    added.set_port(inbound.port);
    added.set_address(inbound.address.to_string());
    added.set_service_port(inbound.service_port);
    added.set_protocol(inbound.protocol);
    added.set_name(inbound.name);
    added.mutable_tags()->insert(inbound.tags.begin(), inbound.tags.end());
    added.mutable_health()->set_ready(inbound.health_ready);
    added.set_state(static_cast<mesh::v1::Dataplane::Inbound::State>(inbound.state));
  }
  for (const Outbound& outbound : dataplane.outbounds) {
    auto& added = *networking.add_outbound();
    added.set_port(outbound.port);
    added.set_address(outbound.address.to_string());
    added.mutable_tags()->insert(outbound.tags.begin(), outbound.tags.end());
  }
  return serialise(message);
}

}  // namespace meshdns::discovery
