// libgrpc's xDS client against our server: it asks for listener, route, cluster and endpoints by
// name in state of the world, and then makes a real call to a real backend.
#include <string>
#include <string_view>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/grpc_backend.h"
#include "tests/support/proxyless_client.h"

namespace meshdns::discovery {
namespace {

namespace cluster = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;
namespace endpoint = envoy::config::endpoint::v3;
namespace http = envoy::extensions::filters::network::http_connection_manager::v3;
namespace listener = envoy::config::listener::v3;
namespace route = envoy::config::route::v3;
using support::GrpcBackend;
using support::ProxylessClient;
using support::ProxylessOptions;
using testing::HasSubstr;

constexpr std::string_view kTarget = "backend.mesh:8080";
constexpr std::string_view kService = "default/backend";

// A client of the server's that looks for kTarget.
ProxylessOptions client_of(const TestServer& server) {
  return {.control_plane = server.address(), .target = std::string(kTarget), .zone = "east"};
}

template <typename Message>
ResourceUpdate resource(std::string_view type_url, std::string_view name, const Message& message) {
  return {std::string(type_url), std::string(name), message.SerializeAsString()};
}

core::ConfigSource over_this_stream() {
  core::ConfigSource source;
  source.mutable_ads();
  source.set_resource_api_version(core::V3);
  return source;
}

ResourceUpdate listener_resource() {
  http::HttpConnectionManager manager;
  *manager.mutable_rds()->mutable_config_source() = over_this_stream();
  manager.mutable_rds()->set_route_config_name("backend-routes");
  http::HttpFilter* const router = manager.add_http_filters();
  router->set_name("router");
  router->mutable_typed_config()->PackFrom(envoy::extensions::filters::http::router::v3::Router());
  listener::Listener message;
  message.set_name(std::string(kTarget));
  message.mutable_api_listener()->mutable_api_listener()->PackFrom(manager);
  return resource(kListenerTypeUrl, kTarget, message);
}

ResourceUpdate route_resource() {
  route::RouteConfiguration message;
  message.set_name("backend-routes");
  route::VirtualHost* const host = message.add_virtual_hosts();
  host->set_name("backend");
  host->add_domains(std::string(kTarget));
  route::Route* const all = host->add_routes();
  all->mutable_match()->set_prefix("");
  all->mutable_route()->set_cluster("backend-cluster");
  return resource(kRouteTypeUrl, "backend-routes", message);
}

ResourceUpdate cluster_resource(cluster::Cluster::LbPolicy policy) {
  cluster::Cluster message;
  message.set_name("backend-cluster");
  message.set_type(cluster::Cluster::EDS);
  *message.mutable_eds_cluster_config()->mutable_eds_config() = over_this_stream();
  message.mutable_eds_cluster_config()->set_service_name(std::string(kService));
  message.set_lb_policy(policy);
  return resource(kClusterTypeUrl, "backend-cluster", message);
}

ResourceUpdate endpoints_resource(const GrpcBackend& backend) {
  endpoint::ClusterLoadAssignment message;
  message.set_cluster_name(std::string(kService));
  endpoint::LocalityLbEndpoints* const locality = message.add_endpoints();
  locality->mutable_locality()->set_zone("east");
  locality->mutable_load_balancing_weight()->set_value(1);
  endpoint::LbEndpoint* const one = locality->add_lb_endpoints();
  one->set_health_status(core::HEALTHY);
  auto* const address = one->mutable_endpoint()->mutable_address()->mutable_socket_address();
  address->set_address("127.0.0.1");
  address->set_port_value(static_cast<unsigned>(backend.port()));
  return resource(kClusterLoadAssignmentTypeUrl, kService, message);
}

TEST(Proxyless, LibgrpcFindsABackendThroughOurServerAndFollowsItsEndpoints) {
  const GrpcBackend first("first");
  const GrpcBackend second("second");
  TestServer server;
  server.resources().apply(
      {listener_resource(), route_resource(), cluster_resource(cluster::Cluster::ROUND_ROBIN),
       endpoints_resource(first)},
      {});
  ProxylessClient client(client_of(server));
  EXPECT_EQ(client.call(), "ok first");

  server.resources().apply({endpoints_resource(second)}, {});
  EXPECT_EQ(client.call_until("ok second"), "ok second");
  for (const std::string_view type :
       {kListenerTypeUrl, kRouteTypeUrl, kClusterTypeUrl, kClusterLoadAssignmentTypeUrl}) {
    EXPECT_GE(server.metrics().acks.of(type).value(), 1U) << type;
    EXPECT_EQ(server.metrics().nacks.of(type).value(), 0U) << type;
  }

  // A restart changes nothing for the calls.
  server.stop();
  EXPECT_EQ(client.call(), "ok second");
  server.start();
  server.resources().apply({endpoints_resource(first)}, {});
  EXPECT_EQ(client.call_until("ok first"), "ok first");
}

TEST(Proxyless, ResourcesMayComeLaterThanTheQuestion) {
  const GrpcBackend backend("late");
  TestServer server;
  ProxylessClient client(client_of(server));
  ControlLoop loop;
  server.resources().apply({listener_resource(), route_resource()}, {});
  // The call waits for the cluster, which this test adds once the client has asked for it.
  std::string answer;
  std::thread caller([&] { answer = client.call(); });
  EXPECT_TRUE(loop.wait_for([&] { return server.metrics().acks.of(kRouteTypeUrl).value() == 1; }));
  server.resources().apply(
      {cluster_resource(cluster::Cluster::ROUND_ROBIN), endpoints_resource(backend)}, {});
  caller.join();
  EXPECT_EQ(answer, "ok late");
}

TEST(Proxyless, WhatLibgrpcRefusesIsCountedAndLoggedInItsWords) {
  const GrpcBackend backend("never");
  TestServer server;
  server.resources().apply(
      {listener_resource(), route_resource(), cluster_resource(cluster::Cluster::MAGLEV),
       endpoints_resource(backend)},
      {});
  {
    ProxylessClient client(client_of(server));
    EXPECT_THAT(client.call(), HasSubstr("failed"));
    ControlLoop loop;
    EXPECT_TRUE(
        loop.wait_for([&] { return server.metrics().nacks.of(kClusterTypeUrl).value() == 1; }));

    // Mended, it goes on.
    server.resources().apply({cluster_resource(cluster::Cluster::ROUND_ROBIN)}, {});
    EXPECT_EQ(client.call_until("ok never"), "ok never");
  }
  server.stop();
  EXPECT_THAT(server.log().text(), HasSubstr("LB policy is not supported"));
}

}  // namespace
}  // namespace meshdns::discovery
