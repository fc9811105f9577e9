#include "tests/discovery/control/grpc_rule_cases.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include "discovery/control/grpc_rules.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace meshdns::discovery {
namespace {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace core_v3 = envoy::config::core::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;
namespace http_v3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace route_v3 = envoy::config::route::v3;
using Router = envoy::extensions::filters::http::router::v3::Router;

const std::string kAuthority(kRuleAuthority);
const std::string kTarget(kRuleTarget);

constexpr RuleVerdict kTaken = RuleVerdict::kTaken;
constexpr RuleVerdict kRefused = RuleVerdict::kRefused;
constexpr RuleVerdict kUseless = RuleVerdict::kUseless;

http_v3::HttpFilter& add_filter(GrpcMessages& messages, const std::string& name) {
  http_v3::HttpFilter& filter = *messages.manager.add_http_filters();
  filter.set_name(name);
  filter.mutable_typed_config()->PackFrom(Router());
  return filter;
}

// A filter of a type that is none, in front of the router.
http_v3::HttpFilter& put_unknown_filter_first(GrpcMessages& messages) {
  messages.manager.clear_http_filters();
  http_v3::HttpFilter& filter = add_filter(messages, "unknown");
  filter.mutable_typed_config()->PackFrom(cluster_v3::Cluster());
  add_filter(messages, "router");
  return *messages.manager.mutable_http_filters(0);
}

route_v3::VirtualHost& host(GrpcMessages& messages) {
  return *messages.routes.mutable_virtual_hosts(0);
}

route_v3::Route& route(GrpcMessages& messages) { return *host(messages).mutable_routes(0); }

endpoint_v3::LocalityLbEndpoints& locality(GrpcMessages& messages) {
  return *messages.endpoints.mutable_endpoints(0);
}

endpoint_v3::LbEndpoint& endpoint(GrpcMessages& messages) {
  return *locality(messages).mutable_lb_endpoints(0);
}

core_v3::SocketAddress& socket(GrpcMessages& messages) {
  return *endpoint(messages).mutable_endpoint()->mutable_address()->mutable_socket_address();
}

// Another locality with an endpoint that nobody listens at.
endpoint_v3::LocalityLbEndpoints& add_locality(GrpcMessages& messages, const std::string& zone) {
  endpoint_v3::LocalityLbEndpoints& added = *messages.endpoints.add_endpoints();
  added = locality(messages);
  added.mutable_locality()->set_zone(zone);
  added.mutable_lb_endpoints(0)
      ->mutable_endpoint()
      ->mutable_address()
      ->mutable_socket_address()
      ->set_address("127.0.0.9");
  return added;
}

void set_weights(GrpcMessages& messages, std::uint32_t weight, std::uint32_t total) {
  route_v3::WeightedCluster& weighted =
      *route(messages).mutable_route()->mutable_weighted_clusters();
  route_v3::WeightedCluster::ClusterWeight& cluster = *weighted.add_clusters();
  cluster.set_name(kTarget);
  cluster.mutable_weight()->set_value(weight);
  if (total != 0) {
    weighted.mutable_total_weight()->set_value(total);
  }
}

// A field that our schema lacks.
void add_varint(google::protobuf::Message& message, int number, std::uint64_t value) {
  message.GetReflection()->MutableUnknownFields(&message)->AddVarint(number, value);
}

void add_bytes(google::protobuf::Message& message, int number, const std::string& bytes) {
  message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(number, bytes);
}

std::vector<RuleCase> listener_cases() {
  const std::string_view type = kListenerTypeUrl;
  return {
      {"GoodOnes", type, kTaken, [](GrpcMessages&) {}},
      {"AListenerOfAnotherName", type, kUseless, [](auto& m) { m.listener.set_name("other:1"); }},
      {"NoApiListener", type, kRefused, [](auto& m) { m.listener.clear_api_listener(); }},
      {"AnApiListenerThatIsNoConnectionManager", type, kRefused,
       [](auto& m) {
         m.listener.mutable_api_listener()->mutable_api_listener()->PackFrom(m.cluster);
       }},
      {"NeitherRdsNorRoutes", type, kRefused, [](auto& m) { m.manager.clear_rds(); }},
      {"RdsFromNowhere", type, kRefused,
       [](auto& m) { m.manager.mutable_rds()->clear_config_source(); }},
      {"RdsFromSelf", type, kTaken,
       [](auto& m) { m.manager.mutable_rds()->mutable_config_source()->mutable_self(); }},
      {"InlineRoutes", type, kTaken, [](auto& m) { *m.manager.mutable_route_config() = m.routes; }},
      {"InlineRoutesWithoutADomain", type, kRefused,
       [](auto& m) {
         *m.manager.mutable_route_config() = m.routes;
         m.manager.mutable_route_config()->mutable_virtual_hosts(0)->clear_domains();
       }},
      {"NoFilter", type, kRefused, [](auto& m) { m.manager.clear_http_filters(); }},
      {"AFilterWithoutAName", type, kRefused,
       [](auto& m) { m.manager.mutable_http_filters(0)->clear_name(); }},
      {"TwoFiltersOfOneName", type, kRefused, [](auto& m) { add_filter(m, "router"); }},
      {"AFilterWithoutAConfiguration", type, kRefused,
       [](auto& m) { m.manager.mutable_http_filters(0)->clear_typed_config(); }},
      {"AnUnknownFilter", type, kRefused, [](auto& m) { put_unknown_filter_first(m); }},
      {"AnUnknownFilterThatIsOptional", type, kTaken,
       [](auto& m) { put_unknown_filter_first(m).set_is_optional(true); }},
      {"ARouterThatIsNotLast", type, kRefused, [](auto& m) { add_filter(m, "second"); }},
      {"TrustedHops", type, kRefused, [](auto& m) { add_varint(m.manager, 19, 1); }},
      {"OriginalIpDetection", type, kRefused, [](auto& m) { add_bytes(m.manager, 46, ""); }},
  };
}

std::vector<RuleCase> route_cases() {
  const std::string_view type = kRouteTypeUrl;
  return {
      {"RoutesOfAnotherName", type, kUseless, [](auto& m) { m.routes.set_name("other"); }},
      {"ADomainWithoutThePort", type, kUseless,
       [](auto& m) { host(m).set_domains(0, "backend.mesh"); }},
      {"ADomainForEveryPort", type, kTaken,
       [](auto& m) { host(m).set_domains(0, "backend.mesh:*"); }},
      {"ADomainForEveryHost", type, kTaken, [](auto& m) { host(m).set_domains(0, "*:8080"); }},
      {"ADomainForAll", type, kTaken, [](auto& m) { host(m).set_domains(0, "*"); }},
      {"NoDomain", type, kRefused, [](auto& m) { host(m).clear_domains(); }},
      {"AnEmptyDomain", type, kRefused, [](auto& m) { host(m).add_domains(""); }},
      {"AnAsteriskInsideADomain", type, kRefused,
       [](auto& m) { host(m).add_domains("back*.mesh:8080"); }},
      {"NoVirtualHost", type, kUseless, [](auto& m) { m.routes.clear_virtual_hosts(); }},
      {"NoRoute", type, kRefused, [](auto& m) { host(m).clear_routes(); }},
      {"ARouteWithoutAMatch", type, kRefused, [](auto& m) { route(m).clear_match(); }},
      {"AMatchWithoutAPath", type, kRefused,
       [](auto& m) { route(m).mutable_match()->clear_prefix(); }},
      {"APrefixOfASlash", type, kTaken, [](auto& m) { route(m).mutable_match()->set_prefix("/"); }},
      {"APrefixThatNoMethodHas", type, kRefused,
       [](auto& m) { route(m).mutable_match()->set_prefix("/a/b/c/"); }},
      {"APrefixWithoutASlash", type, kRefused,
       [](auto& m) { route(m).mutable_match()->set_prefix("example"); }},
      {"AMethodsPath", type, kTaken,
       [](auto& m) { route(m).mutable_match()->set_path("/example.Echo/Say"); }},
      {"APathThatIsNoMethods", type, kRefused,
       [](auto& m) { route(m).mutable_match()->set_path("/example.Echo"); }},
      {"AClusterWithoutAName", type, kRefused,
       [](auto& m) { route(m).mutable_route()->set_cluster(""); }},
      {"WeightsOfAHundred", type, kTaken, [](auto& m) { set_weights(m, 100, 0); }},
      {"WeightsThatAreTheTotal", type, kTaken, [](auto& m) { set_weights(m, 7, 7); }},
      {"WeightsThatAreNoHundred", type, kRefused, [](auto& m) { set_weights(m, 7, 0); }},
      {"WeightsThatAreNotTheTotal", type, kRefused, [](auto& m) { set_weights(m, 7, 8); }},
      {"NoWeight", type, kRefused,
       [](auto& m) { route(m).mutable_route()->mutable_weighted_clusters(); }},
      {"AWeightedClusterWithoutAName", type, kRefused,
       [](auto& m) {
         set_weights(m, 100, 0);
         route(m).mutable_route()->mutable_weighted_clusters()->mutable_clusters(0)->clear_name();
       }},
  };
}

std::vector<RuleCase> cluster_cases() {
  const std::string_view type = kClusterTypeUrl;
  return {
      {"AClusterOfAnotherName", type, kUseless, [](auto& m) { m.cluster.set_name("other"); }},
      {"AStaticCluster", type, kRefused,
       [](auto& m) { m.cluster.set_type(cluster_v3::Cluster::STATIC); }},
      {"AClusterOfNoType", type, kRefused, [](auto& m) { m.cluster.clear_type(); }},
      {"NoEdsConfig", type, kRefused, [](auto& m) { m.cluster.clear_eds_cluster_config(); }},
      {"EdsFromNowhere", type, kRefused,
       [](auto& m) { m.cluster.mutable_eds_cluster_config()->clear_eds_config(); }},
      {"EdsFromSelf", type, kTaken,
       [](auto& m) {
         m.cluster.mutable_eds_cluster_config()->mutable_eds_config()->mutable_self();
       }},
      {"EndpointsOfTheClustersName", type, kTaken,
       [](auto& m) { m.cluster.mutable_eds_cluster_config()->clear_service_name(); }},
      {"LeastRequest", type, kRefused,
       [](auto& m) { m.cluster.set_lb_policy(cluster_v3::Cluster::LEAST_REQUEST); }},
      {"RingHash", type, kTaken,
       [](auto& m) { m.cluster.set_lb_policy(cluster_v3::Cluster::RING_HASH); }},
      {"ATransportSocketThatIsEmpty", type, kRefused,
       [](auto& m) { add_bytes(m.cluster, 24, ""); }},
      {"LoadReportsToNowhere", type, kRefused, [](auto& m) { add_bytes(m.cluster, 42, ""); }},
  };
}

std::vector<RuleCase> locality_cases() {
  const std::string_view type = kClusterLoadAssignmentTypeUrl;
  return {
      {"EndpointsOfAnotherName", type, kUseless,
       [](auto& m) { m.endpoints.set_cluster_name("other"); }},
      {"NoLocality", type, kRefused, [](auto& m) { locality(m).clear_locality(); }},
      {"ALocalityWithoutFields", type, kTaken,
       [](auto& m) { locality(m).mutable_locality()->Clear(); }},
      {"NoLocalityWeight", type, kUseless,
       [](auto& m) { locality(m).clear_load_balancing_weight(); }},
      {"ALocalityWeightOfZero", type, kUseless,
       [](auto& m) { locality(m).mutable_load_balancing_weight()->set_value(0); }},
      {"TwoPriorities", type, kTaken, [](auto& m) { add_locality(m, "west").set_priority(1); }},
      {"NoPriorityZero", type, kRefused, [](auto& m) { locality(m).set_priority(1); }},
      {"AGapBetweenPriorities", type, kRefused,
       [](auto& m) { add_locality(m, "west").set_priority(2); }},
      {"ALocalityTwiceInAPriority", type, kRefused, [](auto& m) { add_locality(m, "east"); }},
      {"ALocalityInTwoPriorities", type, kTaken,
       [](auto& m) { add_locality(m, "east").set_priority(1); }},
      {"WeightsBeyond32Bits", type, kRefused,
       [](auto& m) {
         add_locality(m, "west").mutable_load_balancing_weight()->set_value(
             std::numeric_limits<std::uint32_t>::max());
       }},
      {"AZoneThatIsNoText", type, kRefused,
       [](auto& m) { locality(m).mutable_locality()->set_zone("\xff"); }},
      {"AZoneTooLongToReceive", type, kUseless,
       [](auto& m) {
         locality(m).mutable_locality()->set_zone(std::string(kMaxGrpcResourceBytes + 4096, 'z'));
       }},
  };
}

std::vector<RuleCase> endpoint_cases() {
  const std::string_view type = kClusterLoadAssignmentTypeUrl;
  return {
      {"AHostnameAsAddress", type, kRefused, [](auto& m) { socket(m).set_address("localhost"); }},
      {"AnAddressWithAScope", type, kRefused, [](auto& m) { socket(m).set_address("fe80::1%no"); }},
      {"APortBeyond16Bits", type, kRefused, [](auto& m) { socket(m).set_port_value(65'536); }},
      {"APortOfZero", type, kUseless, [](auto& m) { socket(m).set_port_value(0); }},
      {"AnAddressTwice", type, kRefused,
       [](auto& m) { *locality(m).add_lb_endpoints() = endpoint(m); }},
      {"AnAddressInTwoLocalities", type, kRefused,
       [](auto& m) { *add_locality(m, "west").mutable_lb_endpoints(0) = endpoint(m); }},
      {"AnAddressOnTwoPorts", type, kTaken,
       [](auto& m) {
         endpoint_v3::LbEndpoint other = endpoint(m);
         other.mutable_endpoint()->mutable_address()->mutable_socket_address()->set_port_value(9);
         *locality(m).add_lb_endpoints() = other;
       }},
      {"NoEndpoint", type, kRefused, [](auto& m) { endpoint(m).clear_endpoint(); }},
      {"NoAddress", type, kRefused,
       [](auto& m) { endpoint(m).mutable_endpoint()->clear_address(); }},
      {"APipe", type, kRefused,
       [](auto& m) {
         endpoint(m).mutable_endpoint()->mutable_address()->mutable_pipe()->set_path("/pipe");
       }},
      {"AnEndpointWeight", type, kTaken,
       [](auto& m) { endpoint(m).mutable_load_balancing_weight()->set_value(3); }},
      {"AnEndpointWeightOfZero", type, kRefused,
       [](auto& m) { endpoint(m).mutable_load_balancing_weight()->set_value(0); }},
      {"AnUnhealthyEndpointIsNotLookedAt", type, kTaken,
       [](auto& m) {
         endpoint_v3::LbEndpoint& sick = *locality(m).add_lb_endpoints();
         sick = endpoint(m);
         sick.set_health_status(core_v3::UNHEALTHY);
       }},
      {"ADropPolicyWithoutACategory", type, kRefused,
       [](auto& m) { m.endpoints.mutable_policy()->add_drop_overloads(); }},
  };
}

template <typename Message>
ResourceUpdate update_of(std::string_view type_url, const std::string& name,
                         const Message& message) {
  return {.type_url = std::string(type_url),
          .name = name,
          .value = message.SerializeAsString(),
          .listing = Listing::kByNameOnly};
}

}  // namespace

std::vector<ResourceUpdate> GrpcMessages::updates() const {
  envoy::config::listener::v3::Listener packed = listener;
  if (packed.has_api_listener() && !packed.api_listener().has_api_listener()) {
    packed.mutable_api_listener()->mutable_api_listener()->PackFrom(manager);
  }
  return {update_of(kListenerTypeUrl, kAuthority, packed),
          update_of(kRouteTypeUrl, kTarget, routes), update_of(kClusterTypeUrl, kTarget, cluster),
          update_of(kClusterLoadAssignmentTypeUrl, kTarget, endpoints)};
}

GrpcMessages good_messages(std::uint32_t port) {
  GrpcMessages messages;
  core_v3::ConfigSource over_this_stream;
  over_this_stream.mutable_ads();
  *messages.manager.mutable_rds()->mutable_config_source() = over_this_stream;
  messages.manager.mutable_rds()->set_route_config_name(kTarget);
  add_filter(messages, "router");
  messages.listener.set_name(kAuthority);
  messages.listener.mutable_api_listener();
  messages.routes.set_name(kTarget);
  route_v3::VirtualHost& virtual_host = *messages.routes.add_virtual_hosts();
  virtual_host.add_domains(kAuthority);
  route_v3::Route& all = *virtual_host.add_routes();
  all.mutable_match()->set_prefix("");
  all.mutable_route()->set_cluster(kTarget);
  messages.cluster.set_name(kTarget);
  messages.cluster.set_type(cluster_v3::Cluster::EDS);
  *messages.cluster.mutable_eds_cluster_config()->mutable_eds_config() = over_this_stream;
  messages.cluster.mutable_eds_cluster_config()->set_service_name(kTarget);
  messages.endpoints.set_cluster_name(kTarget);
  endpoint_v3::LocalityLbEndpoints& east = *messages.endpoints.add_endpoints();
  east.mutable_locality()->set_zone("east");
  east.mutable_load_balancing_weight()->set_value(1);
  core_v3::SocketAddress& address =
      *east.add_lb_endpoints()->mutable_endpoint()->mutable_address()->mutable_socket_address();
  address.set_address("127.0.0.1");
  address.set_port_value(port);
  return messages;
}

const std::vector<RuleCase>& rule_cases() {
  static const std::vector<RuleCase> kCases = [] {
    std::vector<RuleCase> all;
    for (const auto& cases :
         {listener_cases(), route_cases(), cluster_cases(), locality_cases(), endpoint_cases()}) {
      all.insert(all.end(), cases.begin(), cases.end());
    }
    return all;
  }();
  return kCases;
}

}  // namespace meshdns::discovery
