#include "discovery/control/grpc_resources.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/message_lite.h>

#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace meshdns::discovery {
namespace {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace core_v3 = envoy::config::core::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;
namespace http_v3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace listener_v3 = envoy::config::listener::v3;
namespace route_v3 = envoy::config::route::v3;
namespace upstreams_v3 = envoy::extensions::upstreams::http::v3;

// Ascending by zone, so that equal endpoints are equal bytes.
using Zones = std::map<std::string, std::vector<const Endpoint*>>;

// None of these messages has a map of more than one entry, so equal values are equal bytes.
ResourceUpdate by_name_only(std::string_view type_url, const std::string& name,
                            const google::protobuf::MessageLite& message) {
  return {.type_url = std::string(type_url),
          .name = name,
          .value = message.SerializeAsString(),
          .listing = Listing::kByNameOnly};
}

void set_over_this_stream(core_v3::ConfigSource& source) {
  (void)source.mutable_ads();
  source.set_resource_api_version(core_v3::V3);
}

Zones zones_of(std::span<const Endpoint> endpoints) {
  Zones zones;
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.health != Health::kUnhealthy) {
      zones[endpoint.zone].push_back(&endpoint);
    }
  }
  return zones;
}

// All of priority 0.
endpoint_v3::ClusterLoadAssignment assignment_of(const std::string& target, const Zones& zones) {
  endpoint_v3::ClusterLoadAssignment message;
  message.set_cluster_name(target);
  for (const auto& [zone, members] : zones) {
    endpoint_v3::LocalityLbEndpoints& locality = *message.add_endpoints();
    locality.mutable_locality()->set_zone(zone);
    locality.mutable_load_balancing_weight()->set_value(static_cast<std::uint32_t>(members.size()));
    for (const Endpoint* const member : members) {
      endpoint_v3::LbEndpoint& added = *locality.add_lb_endpoints();
      added.set_health_status(core_v3::HEALTHY);
      auto& socket = *added.mutable_endpoint()->mutable_address()->mutable_socket_address();
      socket.set_address(member->address.to_string());
      socket.set_port_value(member->port);
    }
  }
  return message;
}

// Puts `zone` before all others.
void prefer(endpoint_v3::ClusterLoadAssignment& message, const std::string& zone) {
  for (endpoint_v3::LocalityLbEndpoints& locality : *message.mutable_endpoints()) {
    locality.set_priority(locality.locality().zone() == zone ? 0 : 1);
  }
}

}  // namespace

std::string grpc_authority(const std::string& hostname, std::uint16_t port) {
  return fmt::format("{}:{}", hostname, port);
}

std::string grpc_target(const ServiceId& id, std::uint16_t port) {
  return fmt::format("{}:{}", id.to_string(), port);
}

ResourceUpdate grpc_listener(const std::string& authority, const std::string& target) {
  http_v3::HttpConnectionManager manager;
  set_over_this_stream(*manager.mutable_rds()->mutable_config_source());
  manager.mutable_rds()->set_route_config_name(target);
  http_v3::HttpFilter& router = *manager.add_http_filters();
  router.set_name("router");
  router.mutable_typed_config()->PackFrom(envoy::extensions::filters::http::router::v3::Router());
  listener_v3::Listener message;
  message.set_name(authority);
  message.mutable_api_listener()->mutable_api_listener()->PackFrom(manager);
  return by_name_only(kListenerTypeUrl, authority, message);
}

ResourceUpdate grpc_routes(const std::string& target, std::span<const std::string> authorities) {
  route_v3::RouteConfiguration message;
  message.set_name(target);
  route_v3::VirtualHost& host = *message.add_virtual_hosts();
  host.set_name(target);
  for (const std::string& authority : authorities) {
    host.add_domains(authority);
  }
  route_v3::Route& all = *host.add_routes();
  all.mutable_match()->set_prefix("");
  all.mutable_route()->set_cluster(target);
  return by_name_only(kRouteTypeUrl, target, message);
}

ResourceUpdate grpc_cluster(const std::string& target, Protocol protocol) {
  cluster_v3::Cluster message;
  message.set_name(target);
  message.set_type(cluster_v3::Cluster::EDS);
  set_over_this_stream(*message.mutable_eds_cluster_config()->mutable_eds_config());
  message.mutable_eds_cluster_config()->set_service_name(target);
  message.set_lb_policy(cluster_v3::Cluster::ROUND_ROBIN);
  if (protocol == Protocol::kHttp2 || protocol == Protocol::kGrpc) {
    upstreams_v3::HttpProtocolOptions options;
    (void)options.mutable_explicit_http_config()->mutable_http2_protocol_options();
    const std::string& key = upstreams_v3::HttpProtocolOptions::descriptor()->full_name();
    (*message.mutable_typed_extension_protocol_options())[key].PackFrom(options);
  }
  return {.type_url = std::string(kClusterTypeUrl),
          .name = target,
          .value = message.SerializeAsString()};
}

GrpcEndpoints grpc_endpoints(const std::string& target, std::span<const Endpoint> endpoints) {
  const Zones zones = zones_of(endpoints);
  endpoint_v3::ClusterLoadAssignment message = assignment_of(target, zones);
  GrpcEndpoints made;
  made.update = {.type_url = std::string(kClusterLoadAssignmentTypeUrl),
                 .name = target,
                 .value = message.SerializeAsString(),
                 .listing = Listing::kByNameOnly};
  if (zones.size() < 2) {
    return made;
  }
  if (zones.size() * made.update.value.size() > kMaxZoneFormBytes) {
    made.warning = fmt::format(
        "gRPC's clients of port {} are told of no zone of their own: {} zones with {} endpoints "
        "are too many for that",
        target.substr(target.rfind(':') + 1), zones.size(), endpoints.size());
    return made;
  }
  for (const auto& [zone, members] : zones) {
    if (!zone.empty()) {
      prefer(message, zone);
      made.update.zone_values.emplace(zone, message.SerializeAsString());
    }
  }
  return made;
}

}  // namespace meshdns::discovery
