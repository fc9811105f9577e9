// libgrpc's xDS client against our server: it asks for listener, route, cluster and endpoints by
// name in state of the world, and then makes a real call to a real backend.
#include <array>
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <spawn.h>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

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

namespace meshdns::discovery {
namespace {

namespace cluster = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;
namespace endpoint = envoy::config::endpoint::v3;
namespace http = envoy::extensions::filters::network::http_connection_manager::v3;
namespace listener = envoy::config::listener::v3;
namespace route = envoy::config::route::v3;
using testing::HasSubstr;

constexpr std::string_view kTarget = "backend.mesh:8080";
constexpr std::string_view kService = "default/backend";

// Answers every method of every service with its name.
class Backend {
 public:
  explicit Backend(std::string name) : service_(std::move(name)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_)
        .RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  class Call final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Call(const std::string& name) : slice_(name), reply_(&slice_, 1) {
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (ok) {
        StartWriteAndFinish(&reply_, {}, grpc::Status::OK);
      } else {
        Finish(grpc::Status::CANCELLED);
      }
    }
    void OnDone() override { delete this; }

   private:
    grpc::Slice slice_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer reply_;
  };
  class Service final : public grpc::CallbackGenericService {
   public:
    explicit Service(std::string name) : name_(std::move(name)) {}
    grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
      return new Call(name_);
    }

   private:
    std::string name_;
  };

  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// The program, one line in and one line out.
class ProxylessClient {
 public:
  explicit ProxylessClient(const std::string& control_plane) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    EXPECT_EQ(pipe2(in.data(), O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::string bootstrap = R"(GRPC_XDS_BOOTSTRAP_CONFIG={"xds_servers":[{"server_uri":")" +
                            control_plane +
                            R"(","channel_creds":[{"type":"insecure"}],)"
                            R"("server_features":["xds_v3"]}],"node":{"id":"default.client",)"
                            R"("locality":{"zone":"east"}}})";
    std::string program = MESHDNS_PROXYLESS_CLIENT;
    std::string target = "xds:///" + std::string(kTarget);
    const std::array<char*, 3> arguments = {program.data(), target.data(), nullptr};
    const std::array<char*, 2> environment = {bootstrap.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(),
                          environment.data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = fdopen(out[0], "r");
  }
  ProxylessClient(const ProxylessClient&) = delete;
  ProxylessClient& operator=(const ProxylessClient&) = delete;
  ~ProxylessClient() {
    close(to_);
    int status = 0;
    waitpid(pid_, &status, 0);
    EXPECT_EQ(status, 0);
    fclose(from_);
  }

  std::string call() {
    EXPECT_EQ(write(to_, "\n", 1), 1);
    std::array<char, 1024> line{};
    if (fgets(line.data(), line.size(), from_) == nullptr) {
      return "gone";
    }
    const std::string text(line.data());
    return text.substr(0, text.find('\n'));
  }

  // Calls until the answer is `want`, for at most ten seconds.
  std::string call_until(const std::string& want) {
    std::string last;
    for (int i = 0; i < 1000 && last != want; ++i) {
      last = call();
      if (last != want) {
        usleep(10'000);
      }
    }
    return last;
  }

 private:
  pid_t pid_ = 0;
  int to_ = -1;
  FILE* from_ = nullptr;
};

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

ResourceUpdate endpoints_resource(const Backend& backend) {
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
  const Backend first("first");
  const Backend second("second");
  TestServer server;
  server.resources().apply(
      {listener_resource(), route_resource(), cluster_resource(cluster::Cluster::ROUND_ROBIN),
       endpoints_resource(first)},
      {});
  ProxylessClient client(server.address());
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
  const Backend backend("late");
  TestServer server;
  ProxylessClient client(server.address());
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
  const Backend backend("never");
  TestServer server;
  server.resources().apply(
      {listener_resource(), route_resource(), cluster_resource(cluster::Cluster::MAGLEV),
       endpoints_resource(backend)},
      {});
  {
    ProxylessClient client(server.address());
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
