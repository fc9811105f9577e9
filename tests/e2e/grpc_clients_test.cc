// gRPC's own clients, which need no proxy and no resolver, find real backends through the control
// plane.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/python_tools.h"
#include "tests/support/dns_client.h"
#include "tests/support/grpc_backend.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/proxyless_client.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Instance {
  std::string name;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::string zone = "east";
  std::string state = "Ready";
  std::string service = "backend";
};

// A Dataplane of one inbound.
std::string to_yaml(const Instance& instance) {
  return fmt::format(
      "type: Dataplane\n"
      "mesh: default\n"
      "name: {}\n"
      "networking:\n"
      "  address: {}\n"
      "  inbound:\n"
      "    - port: {}\n"
      "      state: {}\n"
      "      tags:\n"
      "        kuma.io/service: {}\n"
      "        kuma.io/protocol: grpc\n"
      "        kuma.io/zone: {}\n",
      instance.name, instance.address, instance.port, instance.state, instance.service,
      instance.zone);
}

// A control plane, and three backends that listen on one port of different addresses: the first
// and the second in the zone "east", the third in "west".
class GrpcClients : public testing::Test {
 protected:
  void SetUp() override {
    put(first());
    control_plane_.start();
  }

  [[nodiscard]] Instance first() const {
    return {.name = "first", .address = "127.0.0.1", .port = port_};
  }
  [[nodiscard]] Instance second() const {
    return {.name = "second", .address = "127.0.0.2", .port = port_};
  }
  [[nodiscard]] Instance third() const {
    return {.name = "third", .address = "127.0.0.3", .port = port_, .zone = "west"};
  }
  void put(const Instance& instance) const {
    control_plane_.put_file(instance.name + ".yaml", to_yaml(instance));
  }
  void remove(const Instance& instance) const {
    control_plane_.remove_file(instance.name + ".yaml");
  }

  [[nodiscard]] ProxylessOptions client_of(const std::string& hostname) const {
    return {.control_plane = control_plane_.address(),
            .target = fmt::format("{}:{}", hostname, port_)};
  }
  [[nodiscard]] ProxylessOptions client_in(const std::string& zone) const {
    ProxylessOptions options = client_of("backend.mesh");
    options.zone = zone;
    return options;
  }

  // Who answers twelve calls, which go to all in turn.
  static std::set<std::string> answers_of(ProxylessClient& client) {
    std::set<std::string> answers;
    for (int i = 0; i < 12; ++i) {
      answers.insert(client.call());
    }
    return answers;
  }
  [[nodiscard]] static bool becomes(ProxylessClient& client, const std::set<std::string>& want) {
    return wait_until([&] { return answers_of(client) == want; });
  }

  // What CSDS says of the clients whose node's id begins so, a line for each type.
  [[nodiscard]] std::string client_status(const std::string& prefix) const {
    Process script(e2e::python_script("client_status.py", {control_plane_.address(), prefix}));
    EXPECT_EQ(script.wait(), 0) << script.standard_error();
    return script.standard_output();
  }
  static std::string sorted_lines(const std::string& text) {
    std::istringstream input(text);
    std::set<std::string> lines;
    for (std::string line; std::getline(input, line);) {
      lines.insert(line + "\n");
    }
    return fmt::format("{}", fmt::join(lines, ""));
  }

  [[nodiscard]] std::uint64_t nacks() const {
    const std::string metrics = control_plane_.get("/metrics").body;
    std::uint64_t sum = 0;
    for (const char* const type : {"listener", "route", "cluster", "endpoint"}) {
      const std::string cell =
          fmt::format(R"(meshdns_xds_server_acks_total{{result="nack",type="{}"}} )", type);
      const std::size_t at = metrics.find(cell);
      EXPECT_NE(at, std::string::npos) << metrics;
      sum += std::stoul(metrics.substr(at + cell.size()));
    }
    return sum;
  }

  std::uint16_t port_ = free_port();
  GrpcBackend first_{"first", fmt::format("127.0.0.1:{}", port_)};
  GrpcBackend second_{"second", fmt::format("127.0.0.2:{}", port_)};
  GrpcBackend third_{"third", fmt::format("127.0.0.3:{}", port_)};
  ControlPlaneProgram control_plane_;
};

TEST_F(GrpcClients, ReachABackendAndFollowWhatComesAndGoes) {
  ProxylessClient client(client_of("backend.mesh"));
  EXPECT_EQ(client.call(), "ok first");
  put(second());
  EXPECT_TRUE(becomes(client, {"ok first", "ok second"}));
  remove(first());
  EXPECT_TRUE(becomes(client, {"ok second"}));
  put(first());
  EXPECT_TRUE(becomes(client, {"ok first", "ok second"}));
  EXPECT_EQ(nacks(), 0U);
}

TEST_F(GrpcClients, DoNotCallWhatIsNotReady) {
  put(second());
  ProxylessClient client(client_of("backend.mesh"));
  EXPECT_TRUE(becomes(client, {"ok first", "ok second"}));
  Instance sick = second();
  sick.state = "NotReady";
  put(sick);
  EXPECT_TRUE(becomes(client, {"ok first"}));
  // None is left: calls fail, and work again when one is back.
  Instance also_sick = first();
  also_sick.state = "NotReady";
  put(also_sick);
  EXPECT_TRUE(wait_until([&] { return client.call().starts_with("failed 14"); }));
  put(second());
  EXPECT_EQ(client.call_until("ok second"), "ok second");
  EXPECT_EQ(nacks(), 0U);
}

TEST_F(GrpcClients, CallTheirOwnZoneAndAnotherWhenItHasNone) {
  put(second());
  put(third());
  ProxylessClient east(client_in("east"));
  ProxylessClient west(client_in("west"));
  ProxylessClient nowhere(client_in(""));
  EXPECT_TRUE(becomes(east, {"ok first", "ok second"}));
  EXPECT_TRUE(becomes(west, {"ok third"}));
  EXPECT_TRUE(becomes(nowhere, {"ok first", "ok second", "ok third"}));

  // West has none left, and then one that has moved there.
  remove(third());
  EXPECT_TRUE(becomes(west, {"ok first", "ok second"}));
  Instance moved = second();
  moved.zone = "west";
  put(moved);
  EXPECT_TRUE(becomes(west, {"ok second"}));
  EXPECT_TRUE(becomes(east, {"ok first"}));
  EXPECT_TRUE(becomes(nowhere, {"ok first", "ok second"}));
  EXPECT_EQ(nacks(), 0U);
}

TEST_F(GrpcClients, CallAnotherZoneWhenTheirOwnCannotBeReached) {
  auto fourth = std::make_unique<GrpcBackend>("fourth", fmt::format("127.0.0.4:{}", port_));
  put({.name = "fourth", .address = "127.0.0.4", .port = port_, .zone = "north"});
  ProxylessClient north(client_in("north"));
  EXPECT_TRUE(becomes(north, {"ok fourth"}));
  fourth.reset();
  EXPECT_TRUE(becomes(north, {"ok first"}));
}

TEST_F(GrpcClients, OfAZoneThatComesLaterNeedNotAskAnew) {
  ProxylessClient west(client_in("west"));
  EXPECT_EQ(west.call(), "ok first");
  put(third());
  EXPECT_TRUE(becomes(west, {"ok third"}));
  Instance sick = third();
  sick.state = "NotReady";
  put(sick);
  EXPECT_TRUE(becomes(west, {"ok first"}));
}

TEST_F(GrpcClients, FailForAHostnameThatDoesNotExistAndWorkWhenItComes) {
  ProxylessOptions options = client_of("later.mesh");
  options.deadline = kHangBound;
  ProxylessClient client(options);
  // After the 15 s that gRPC waits for what it asks for.
  EXPECT_THAT(client.call(), HasSubstr("does not exist"));
  Instance later = second();
  later.service = "later";
  put(later);
  EXPECT_EQ(client.call_until("ok second"), "ok second");
  remove(later);
  EXPECT_TRUE(wait_until([&] { return client.call().starts_with("failed 14"); }));
}

TEST_F(GrpcClients, ReachAServiceByItsDottedNameToo) {
  Instance kubernetes = second();
  kubernetes.service = "backend_shop_svc_80";
  put(kubernetes);
  ProxylessClient client(client_of("backend.shop.svc.80.mesh"));
  EXPECT_EQ(client.call_until("ok second"), "ok second");
}

TEST_F(GrpcClients, ReachEachPortOfAService) {
  const std::uint16_t other_port = free_port();
  const GrpcBackend other("other", fmt::format("127.0.0.2:{}", other_port));
  Instance instance = second();
  instance.port = other_port;
  put(instance);
  ProxylessOptions options = client_of("backend.mesh");
  options.target = fmt::format("backend.mesh:{}", other_port);
  ProxylessClient client(options);
  EXPECT_EQ(client.call_until("ok other"), "ok other");
  EXPECT_EQ(answers_of(client), std::set<std::string>{"ok other"});
  ProxylessClient first_port(client_of("backend.mesh"));
  EXPECT_EQ(answers_of(first_port), std::set<std::string>{"ok first"});
}

TEST_F(GrpcClients, GoOnWhileTheControlPlaneIsAwayAndFollowItWhenItIsBack) {
  ProxylessClient client(client_of("backend.mesh"));
  EXPECT_EQ(client.call(), "ok first");
  control_plane_.kill();
  EXPECT_EQ(client.call(), "ok first");
  remove(first());
  put(second());
  EXPECT_EQ(client.call(), "ok first");
  control_plane_.start();
  EXPECT_TRUE(becomes(client, {"ok second"}));
  EXPECT_EQ(nacks(), 0U);
}

TEST_F(GrpcClients, AreNotDisturbedByWhatGrpcCouldNotTake) {
  ProxylessClient client(client_of("backend.mesh"));
  EXPECT_EQ(client.call(), "ok first");
  // Endpoints in so many zones with names so long that no client receives them.
  constexpr int kInstances = 15'000;
  std::string text;
  for (int i = 0; i < kInstances; ++i) {
    text += "---\n" + to_yaml({.name = fmt::format("big-{}", i),
                               .address = fmt::format("127.1.{}.{}", i / 256, i % 256),
                               .port = port_,
                               .zone = fmt::format("{:z>253}", i),
                               .state = "Ready",
                               .service = "big"});
  }
  control_plane_.put_file("big.yaml", text);
  EXPECT_TRUE(wait_until([&] {
    return control_plane_.get("/metrics").body.find("\nmeshdns_control_grpc_refused 1\n") !=
           std::string::npos;
  }));
  const std::string note = fmt::format(
      "note: {}:1: service default/big: left out, since gRPC would refuse the endpoints "
      "'default/big:{}'",
      control_plane_.dataplanes().file("big.yaml"), port_);
  EXPECT_THAT(control_plane_.get("/readyz").body, HasSubstr(note));
  EXPECT_TRUE(wait_until([&] {  // a thread of its own writes it
    return control_plane_.log().find("left out, since gRPC would refuse") != std::string::npos;
  }));
  // Who asks for it gets nothing, and the others all that they ask for.
  ProxylessOptions options = client_of("big.mesh");
  options.deadline = std::chrono::seconds(1);
  ProxylessClient unlucky(options);
  EXPECT_THAT(unlucky.call(), StartsWith("failed"));
  put(second());
  EXPECT_TRUE(becomes(client, {"ok first", "ok second"}));
  EXPECT_EQ(nacks(), 0U);
}

TEST_F(GrpcClients, AreNotSeenByAProxyThatAsksForEverything) {
  // What a resolver asks for is not more than it was.
  EXPECT_EQ(e2e::ads_client({control_plane_.address(), "endpoints", "*"}),
            fmt::format("default/backend 127.0.0.1:{} east\n", port_));
}

TEST_F(GrpcClients, AreListedWithWhatTheyWereToldAndSaid) {
  ProxylessClient client(client_in("east"));
  EXPECT_EQ(client.call(), "ok first");
  // The ACK of the endpoints may come later than the call's answer.
  std::string page;
  EXPECT_TRUE(wait_until([&] {
    page = control_plane_.get("/streams").body;
    return page.find(R"("awaits_ack":true)") == std::string::npos;
  }));
  EXPECT_THAT(page, StartsWith(R"({"open":1,"streams":[)"));
  EXPECT_THAT(
      page,
      HasSubstr(
          R"("node":"default.client","zone":"east","identity":null,"peer":"ipv4:127.0.0.1:)"));
  EXPECT_THAT(page, HasSubstr(R"("agent":"gRPC C-core linux)"));
  for (const char* const type : {"cluster", "endpoint", "listener", "route"}) {
    const std::size_t at = page.find(fmt::format(R"("type":"{}")", type));
    ASSERT_NE(at, std::string::npos) << page;
    const std::string line = page.substr(at, page.find('\n', at) - at);
    EXPECT_THAT(line, HasSubstr(R"("wildcard":false,"names":1,"sent":{"version":")"));
    EXPECT_THAT(line, Not(HasSubstr(R"("acknowledged":null)")));
    EXPECT_THAT(line, HasSubstr(R"("awaits_ack":false,"lag":0,"last_nack":null)"));
  }
}

TEST_F(GrpcClients, AreListedWithWhatTheyRefused) {
  const Process refusing(e2e::python_script(
      "ads_client.py", {control_plane_.address(), "refuse", "no service pleases me"}));
  std::string page;
  EXPECT_TRUE(wait_until([&] {
    page = control_plane_.get("/streams").body;
    return page.find("pleases") != std::string::npos;
  }));
  EXPECT_THAT(page, HasSubstr(R"("node":"default.grpcio")"));
  EXPECT_THAT(page, HasSubstr(R"("protocol":"delta")"));
  EXPECT_THAT(page, HasSubstr(R"("wildcard":true,"names":0,)"));
  EXPECT_THAT(page, HasSubstr(R"("acknowledged":null,"awaits_ack":false,"lag":0,)"
                              R"("last_nack":{"nonce":"1","text":"no service pleases me"})"));
}

TEST_F(GrpcClients, AreShownToWhoAsksInXdsOwnWords) {
  ProxylessClient client(client_in("east"));
  EXPECT_EQ(client.call(), "ok first");
  const Process refusing(e2e::python_script(
      "ads_client.py", {control_plane_.address(), "refuse", "no service pleases me"}));
  const std::string want =
      "default.client Cluster SYNCED ACKED \n"
      "default.client ClusterLoadAssignment SYNCED ACKED \n"
      "default.client Listener SYNCED ACKED \n"
      "default.client RouteConfiguration SYNCED ACKED \n"
      "default.grpcio Service ERROR NACKED no service pleases me\n";
  std::string shown;
  EXPECT_TRUE(wait_until([&] {
    shown = sorted_lines(client_status("default."));
    return shown == want;
  })) << shown;
  EXPECT_EQ(client_status("nobody."), "");
}

TEST_F(GrpcClients, AreListedNoMoreWhenTheyAreGone) {
  {
    ProxylessClient client(client_in("east"));
    EXPECT_EQ(client.call(), "ok first");
  }
  EXPECT_TRUE(wait_until(
      [&] { return control_plane_.get("/streams").body == "{\"open\":0,\"streams\":[]}\n"; }));
}

TEST_F(GrpcClients, InPythonReachABackend) {
  const TemporaryDirectory folder;
  ProcessOptions options =
      e2e::python_script("grpc_call.py", {fmt::format("xds:///backend.mesh:{}", port_)});
  options.environment.push_back(
      "GRPC_XDS_BOOTSTRAP=" +
      folder.write("bootstrap.json", xds_bootstrap(client_of("backend.mesh"))));
  Process script(options);
  EXPECT_EQ(script.wait(), 0) << script.standard_error();
  EXPECT_EQ(script.standard_output(), "first\n");
}

// MESHDNS_NODE_MODULES: the folder where @grpc/grpc-js and @grpc/grpc-js-xds are installed.
TEST_F(GrpcClients, InJavaScriptReachABackend) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets the environment of a test.
  const char* const modules = std::getenv("MESHDNS_NODE_MODULES");
  if (modules == nullptr) {
    GTEST_SKIP() << "MESHDNS_NODE_MODULES names no folder with @grpc/grpc-js-xds";
  }
  const TemporaryDirectory folder;
  ProcessOptions options;
  options.argv = {"node", MESHDNS_JS_FOLDER "/grpc_call.js",
                  fmt::format("xds:///backend.mesh:{}", port_)};
  options.environment = {
      "NODE_PATH=" + std::string(modules),
      "GRPC_XDS_BOOTSTRAP=" +
          folder.write("bootstrap.json", xds_bootstrap(client_of("backend.mesh")))};
  Process script(options);
  EXPECT_EQ(script.wait(), 0) << script.standard_output() << script.standard_error();
  EXPECT_EQ(script.standard_output(), "first\n");
}

}  // namespace
}  // namespace meshdns::support
