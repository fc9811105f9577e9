#include "discovery/control/envoy_resources.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include "base/ip_address.h"
#include "discovery/control/grpc_resources.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace meshdns::discovery {
namespace {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace core_v3 = envoy::config::core::v3;
namespace http_v3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace listener_v3 = envoy::config::listener::v3;
namespace route_v3 = envoy::config::route::v3;
namespace tcp_v3 = envoy::extensions::filters::network::tcp_proxy::v3;

// Where connections go that are for no service; no service is called so, since it has no slash.
constexpr std::string_view kPassthrough = "passthrough";

// Listeners have no maps, so equal values are equal bytes.
ResourceUpdate listed(std::string_view type_url, const std::string& name,
                      const google::protobuf::Message& message) {
  return {.type_url = std::string(type_url), .name = name, .value = message.SerializeAsString()};
}

void set_address(listener_v3::Listener& listener, const std::string& address, std::uint16_t port) {
  core_v3::SocketAddress& socket = *listener.mutable_address()->mutable_socket_address();
  socket.set_address(address);
  socket.set_port_value(port);
}

void add_filter(listener_v3::FilterChain& chain, std::string_view name,
                const google::protobuf::Message& config) {
  listener_v3::Filter& filter = *chain.add_filters();
  filter.set_name(std::string(name));
  filter.mutable_typed_config()->PackFrom(config);
}

void pass_octets(listener_v3::FilterChain& chain, const std::string& cluster) {
  tcp_v3::TcpProxy proxy;
  proxy.set_stat_prefix(cluster);
  proxy.set_cluster(cluster);
  add_filter(chain, "envoy.filters.network.tcp_proxy", proxy);
}

void route_calls(listener_v3::FilterChain& chain, const std::string& cluster, Protocol protocol) {
  http_v3::HttpConnectionManager manager;
  manager.set_stat_prefix(cluster);
  route_v3::RouteConfiguration& routes = *manager.mutable_route_config();
  routes.set_name(cluster);
  route_v3::VirtualHost& host = *routes.add_virtual_hosts();
  host.set_name(cluster);
  host.add_domains("*");
  route_v3::Route& all = *host.add_routes();
  all.mutable_match()->set_prefix("/");
  all.mutable_route()->set_cluster(cluster);
  // Envoy's own are 15 s for a call and 5 min of silence; 0 is none.
  all.mutable_route()->mutable_timeout()->set_seconds(0);
  manager.mutable_stream_idle_timeout()->set_seconds(0);
  if (protocol == Protocol::kHttp) {
    manager.add_upgrade_configs()->set_upgrade_type("websocket");
  }
  http_v3::HttpFilter& router = *manager.add_http_filters();
  router.set_name("envoy.filters.http.router");
  router.mutable_typed_config()->PackFrom(envoy::extensions::filters::http::router::v3::Router());
  add_filter(chain, "envoy.filters.network.http_connection_manager", manager);
}

}  // namespace

std::string envoy_listener_name(const ServiceId& id, std::uint16_t port, IpFamily family) {
  return grpc_target(id, port) + (family == IpFamily::kV6 ? "/ipv6" : "");
}

ResourceUpdate envoy_listener(const ServiceId& id, const ServicePort& port,
                              const IpAddress& address, ListenerBinding binding) {
  const std::string name = envoy_listener_name(id, port.number, address.family());
  const std::string cluster = grpc_target(id, port.number);
  listener_v3::Listener message;
  message.set_name(name);
  set_address(message, address.to_string(), port.number);
  message.set_traffic_direction(core_v3::OUTBOUND);
  if (binding == ListenerBinding::kBound) {
    // The address may become the host's later.
    message.mutable_freebind()->set_value(true);
  } else {
    message.mutable_bind_to_port()->set_value(false);
  }
  listener_v3::FilterChain& chain = *message.add_filter_chains();
  switch (port.protocol) {
    case Protocol::kHttp:
    case Protocol::kHttp2:
    case Protocol::kGrpc:
      route_calls(chain, cluster, port.protocol);
      break;
    case Protocol::kTcp:
    case Protocol::kKafka:
      pass_octets(chain, cluster);
      break;
  }
  return listed(kListenerTypeUrl, name, message);
}

std::vector<ResourceUpdate> envoy_redirect(std::uint16_t port,
                                           const std::vector<IpFamily>& families) {
  cluster_v3::Cluster cluster;
  cluster.set_name(std::string(kPassthrough));
  cluster.set_type(cluster_v3::Cluster::ORIGINAL_DST);
  cluster.set_lb_policy(cluster_v3::Cluster::CLUSTER_PROVIDED);
  std::vector<ResourceUpdate> updates{listed(kClusterTypeUrl, cluster.name(), cluster)};
  for (const IpFamily family : families) {
    const bool is_ipv4 = family == IpFamily::kV4;
    listener_v3::Listener message;
    message.set_name(fmt::format("redirect:{}", is_ipv4 ? "ipv4" : "ipv6"));
    set_address(message, is_ipv4 ? "127.0.0.1" : "::1", port);
    message.set_traffic_direction(core_v3::OUTBOUND);
    message.mutable_use_original_dst()->set_value(true);
    listener_v3::ListenerFilter& filter = *message.add_listener_filters();
    filter.set_name("envoy.filters.listener.original_dst");
    filter.mutable_typed_config()->PackFrom(
        envoy::extensions::filters::listener::original_dst::v3::OriginalDst());
    pass_octets(*message.add_filter_chains(), cluster.name());
    updates.push_back(listed(kListenerTypeUrl, message.name(), message));
  }
  return updates;
}

}  // namespace meshdns::discovery
