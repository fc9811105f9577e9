// meshdns-cp as an Envoy beside a workload sees it, and resolvers beside the same workloads.
//
// The Envoy is a script: Debian has none. What it says, and when, follows Envoy's documentation of
// the protocol ("xDS REST and gRPC protocol", docs/root/api-docs/xds_protocol.rst) and the reports
// that each test names; what it takes from a response it keeps and acknowledges, as Envoy does.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/e2e/network.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/small_disk.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"
#include "tests/support/xds_stream.h"

namespace meshdns::support {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::UnorderedElementsAre;

using Names = std::set<std::string>;

const std::string kClusters = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const std::string kEndpoints = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const std::string kListeners = "type.googleapis.com/envoy.config.listener.v3.Listener";
// Nothing that an Envoy asks for: after everything that is due, its answer comes last.
const std::string kFence = "type.googleapis.com/meshdns.mesh.v1.Service";

void introduce(envoy::config::core::v3::Node& node, const std::string& mesh) {
  node.set_id(mesh + ".web-1");
  node.set_cluster("web");
  node.set_user_agent_name("envoy");
  node.mutable_locality()->set_zone("east");
}

// What one response did: names that came, and "-NAME" for those that went.
struct Told {
  std::string type_url;
  Names names;
};

// The half of an Envoy that speaks delta ADS. What it holds outlives its streams.
class DeltaEnvoy {
 public:
  explicit DeltaEnvoy(std::string mesh = "default") : mesh_(std::move(mesh)) {}

  void connect(const std::string& address) {
    stream_ = std::make_unique<DeltaStream>(address);
    is_introduced_ = false;
  }
  void disconnect() { stream_.reset(); }

  // The first request of a type on a stream: all that is asked for, and the versions held.
  void begin(const std::string& type_url, const Names& subscribed = {}) {
    DeltaDiscoveryRequest request = request_for(type_url);
    for (const std::string& name : subscribed) {
      request.add_resource_names_subscribe(name);
    }
    for (const auto& [name, resource] : held[type_url]) {
      (*request.mutable_initial_resource_versions())[name] = resource.version();
    }
    stream_->send(request);
  }
  void subscribe(const std::string& type_url, const std::string& name) {
    DeltaDiscoveryRequest request = request_for(type_url);
    request.add_resource_names_subscribe(name);
    stream_->send(request);
  }

  // The next response, kept and acknowledged.
  Told next() {
    const auto response = take();
    if (!response) {
      return {"nothing came", {}};
    }
    for (const auto& resource : response->resources()) {
      held[response->type_url()].insert_or_assign(resource.name(), resource);
    }
    for (const std::string& name : response->removed_resources()) {
      held[response->type_url()].erase(name);
    }
    acknowledge("");
    return told(*response);
  }
  // The next response, refused.
  Told refuse_next(const std::string& text) {
    const auto response = take();
    acknowledge(text);
    return response ? told(*response) : Told{"nothing came", {}};
  }
  // Whether nothing more is due.
  [[nodiscard]] bool is_quiet() {
    const std::string name = fmt::format("fence/{}", ++fences_);
    subscribe(kFence, name);
    const Told answer = next();
    EXPECT_THAT(answer.names, ElementsAre("-" + name));
    return answer.type_url == kFence;
  }

  template <typename Message>
  [[nodiscard]] Message get(const std::string& type_url, const std::string& name) {
    Message message;
    const auto found = held[type_url].find(name);
    EXPECT_TRUE(found != held[type_url].end() && found->second.resource().UnpackTo(&message))
        << name;
    return message;
  }

  std::map<std::string, std::map<std::string, envoy::service::discovery::v3::Resource>> held;

 private:
  DeltaDiscoveryRequest request_for(const std::string& type_url) {
    DeltaDiscoveryRequest request;
    request.set_type_url(type_url);
    if (!std::exchange(is_introduced_, true)) {
      introduce(*request.mutable_node(), mesh_);
    }
    return request;
  }
  std::optional<DeltaDiscoveryResponse> take() {
    auto response = stream_->next();
    last_ = response.value_or(DeltaDiscoveryResponse());
    return response;
  }
  void acknowledge(const std::string& error) {
    DeltaDiscoveryRequest request = request_for(last_.type_url());
    request.set_response_nonce(last_.nonce());
    if (!error.empty()) {
      request.mutable_error_detail()->set_message(error);
    }
    stream_->send(request);
  }
  static Told told(const DeltaDiscoveryResponse& response) {
    Told result{response.type_url(), {}};
    for (const auto& resource : response.resources()) {
      result.names.insert(resource.name());
    }
    for (const std::string& name : response.removed_resources()) {
      result.names.insert("-" + name);
    }
    return result;
  }

  std::string mesh_;
  std::unique_ptr<DeltaStream> stream_;
  DeltaDiscoveryResponse last_;
  bool is_introduced_ = false;
  int fences_ = 0;
};

// The half of an Envoy that speaks state-of-the-world ADS.
class SotwEnvoy {
 public:
  explicit SotwEnvoy(const std::string& address) : stream_(address) {}

  // A request with the version and nonce that the type has, as all of an Envoy's have.
  void ask(const std::string& type_url, const Names& names = {}) {
    DiscoveryRequest request;
    request.set_type_url(type_url);
    if (!std::exchange(is_introduced_, true)) {
      introduce(*request.mutable_node(), "default");
    }
    for (const std::string& name : names) {
      request.add_resource_names(name);
    }
    names_[type_url] = names;
    request.set_version_info(last_[type_url].version_info());
    request.set_response_nonce(last_[type_url].nonce());
    stream_.send(request);
  }
  // The next response, acknowledged.
  Told next() {
    const auto response = stream_.next();
    if (!response) {
      return {"nothing came", {}};
    }
    last_[response->type_url()] = *response;
    Told told{response->type_url(), {}};
    for (const auto& resource : response->resources()) {
      told.names.insert(name_of(resource));
    }
    ask(response->type_url(), names_[response->type_url()]);
    return told;
  }
  [[nodiscard]] bool is_quiet() {
    fence_.insert(fmt::format("fence/{}", fence_.size()));
    ask(kFence, fence_);
    return next().type_url == kFence;
  }

 private:
  static std::string name_of(const google::protobuf::Any& resource) {
    Cluster cluster;
    Listener listener;
    ClusterLoadAssignment endpoints;
    if (resource.UnpackTo(&cluster)) {
      return cluster.name();
    }
    if (resource.UnpackTo(&listener)) {
      return listener.name();
    }
    EXPECT_TRUE(resource.UnpackTo(&endpoints));
    return endpoints.cluster_name();
  }

  SotwStream stream_;
  std::map<std::string, DiscoveryResponse> last_;
  std::map<std::string, Names> names_;
  Names fence_;
  bool is_introduced_ = false;
};

class Envoy : public ResolverFixture {
 protected:
  void SetUp() override {
    control_plane_.put({.name = "web-1", .service = "web", .port = 8080, .protocol = "http"});
    control_plane_.put({.name = "db-1", .service = "db", .port = 5432, .protocol = "tcp"});
    control_plane_.start(flags());
  }
  [[nodiscard]] static std::vector<std::string> flags(const std::string& binding = "bound") {
    return {"--listeners", binding};
  }
  // An Envoy that has asked for all and got it.
  void start(DeltaEnvoy& envoy) {
    envoy.connect(control_plane_.address());
    envoy.begin(kClusters);
    EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
    envoy.begin(kEndpoints, {"default/db:5432", "default/web:8080"});
    EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
    envoy.begin(kListeners);
    EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
    // At a first start the addresses reach the disk a moment later.
    EXPECT_TRUE(envoy.is_quiet());
  }
  static std::string address_of(const Listener& listener) {
    return listener.address().socket_address().address();
  }
  // Whether a stream is said to have refused with that text.
  [[nodiscard]] bool shows_refusal(const std::string& text) const {
    return wait_until(
        [&] { return control_plane_.get("/streams").body.find(text) != std::string::npos; });
  }

  ControlPlaneProgram control_plane_;
};

// "xDS REST and gRPC protocol", "How the client specifies what resources to return": an empty first
// request for listeners or clusters means all of them. "Eventual consistency considerations": CDS,
// EDS, LDS.
TEST_F(Envoy, InDeltaAsksForAllAndListensWhereNamesLead) {
  DeltaEnvoy envoy;
  start(envoy);
  resolver_.start_ready(control_plane_);
  for (const auto& [service, port] : {std::pair("web", 8080U), std::pair("db", 5432U)}) {
    const auto listener =
        envoy.get<Listener>(kListeners, fmt::format("default/{}:{}", service, port));
    EXPECT_EQ(listener.address().socket_address().port_value(), port);
    EXPECT_THAT(data_of(fmt::format("{}.mesh", service)), ElementsAre(address_of(listener)));
    EXPECT_THAT(control_plane_.get("/vips").body,
                HasSubstr(fmt::format(R"("service":"{}","addresses":["{}"],"status":"leased")",
                                      service, address_of(listener))));
  }
  // The resolver allocates none of its own.
  EXPECT_EQ(metric(R"(meshdns_vip_leases{state="active"})"), 0);
}

TEST_F(Envoy, InStateOfTheWorldAsksForAllToo) {
  SotwEnvoy envoy(control_plane_.address());
  envoy.ask(kClusters);
  EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
  envoy.ask(kEndpoints, {"default/db:5432", "default/web:8080"});
  EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
  envoy.ask(kListeners);
  EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
  EXPECT_TRUE(envoy.is_quiet());
  // Full state: what is gone is not in the next response.
  control_plane_.remove_file("db-1.yaml");
  EXPECT_THAT(envoy.next().names, ElementsAre("default/web:8080"));
  EXPECT_THAT(envoy.next().names, ElementsAre("default/web:8080"));
  EXPECT_TRUE(envoy.is_quiet());
}

TEST_F(Envoy, GetsOctetsForTcpAndKafkaAndRoutesForHttp) {
  control_plane_.put({.name = "h2-1", .service = "h2", .port = 81, .protocol = "http2"});
  control_plane_.put({.name = "rpc-1", .service = "rpc", .port = 82, .protocol = "grpc"});
  control_plane_.put({.name = "log-1", .service = "log", .port = 83, .protocol = "kafka"});
  DeltaEnvoy envoy;
  envoy.connect(control_plane_.address());
  envoy.begin(kClusters);
  envoy.begin(kListeners);
  ASSERT_TRUE(wait_until([&] {
    (void)envoy.next();
    return envoy.held[kListeners].size() == 5 && envoy.held[kClusters].size() == 5;
  }));
  const auto filter = [&](const std::string& name) {
    const auto listener = envoy.get<Listener>(kListeners, name);
    return listener.filter_chains(0).filters(0).name();
  };
  const auto speaks_http2 = [&](const std::string& name) {
    return !envoy.get<Cluster>(kClusters, name).typed_extension_protocol_options().empty();
  };
  for (const char* const name : {"default/db:5432", "default/log:83"}) {
    EXPECT_EQ(filter(name), "envoy.filters.network.tcp_proxy");
    EXPECT_FALSE(speaks_http2(name));
  }
  for (const char* const name : {"default/web:8080", "default/h2:81", "default/rpc:82"}) {
    EXPECT_EQ(filter(name), "envoy.filters.network.http_connection_manager");
    EXPECT_EQ(speaks_http2(name), std::string_view(name) != "default/web:8080");
  }
}

// xDS protocol, "Incremental xDS": a client that reconnects says what it holds.
TEST_F(Envoy, ThatComesBackIsToldTheDifferenceAlone) {
  DeltaEnvoy envoy;
  start(envoy);
  envoy.disconnect();
  const auto come_back = [&] {
    envoy.connect(control_plane_.address());
    envoy.begin(kClusters);
    envoy.begin(kEndpoints, {"default/db:5432", "default/web:8080"});
    envoy.begin(kListeners);
  };
  come_back();
  // A wildcard's first request is answered, however little there is to say: Envoy waits for it.
  EXPECT_THAT(envoy.next().names, IsEmpty());
  EXPECT_THAT(envoy.next().names, IsEmpty());
  EXPECT_TRUE(envoy.is_quiet());
  envoy.disconnect();

  // The same over a kill and a start, with changes while nobody looks. The service that went is
  // removed, the one that stays keeps its address.
  const auto web = envoy.held[kListeners].at("default/web:8080").SerializeAsString();
  control_plane_.kill();
  control_plane_.remove_file("db-1.yaml");
  control_plane_.put(
      {.name = "web-2", .service = "web", .address = "127.0.0.2", .protocol = "http"});
  control_plane_.start(flags());
  come_back();
  EXPECT_THAT(envoy.next().names, ElementsAre("-default/db:5432"));
  EXPECT_THAT(envoy.next().names, ElementsAre("-default/db:5432", "default/web:8080"));
  EXPECT_THAT(envoy.next().names, ElementsAre("-default/db:5432"));
  EXPECT_TRUE(envoy.is_quiet());
  EXPECT_EQ(envoy.held[kListeners].at("default/web:8080").SerializeAsString(), web);
}

// xDS protocol, "Resource warming": a changed cluster waits for endpoints that come after it, be
// they the same (envoy#13009). In delta Envoy asks for the name again, which must be answered even
// though it has the version (envoy#22418).
TEST_F(Envoy, ThatWarmsAClusterInDeltaGetsItsEndpointsAgain) {
  DeltaEnvoy envoy;
  start(envoy);
  control_plane_.put({.name = "web-1", .service = "web", .port = 8080, .protocol = "grpc"});
  const Names web{"default/web:8080"};
  Told told = envoy.next();
  EXPECT_EQ(told.type_url, kClusters);
  EXPECT_EQ(told.names, web);
  told = envoy.next();
  EXPECT_EQ(told.type_url, kEndpoints);
  EXPECT_EQ(told.names, web) << "unasked, since it may hold an old watch on that name";
  told = envoy.next();
  EXPECT_EQ(told.type_url, kListeners);
  EXPECT_EQ(told.names, web);
  EXPECT_TRUE(envoy.is_quiet());
  envoy.subscribe(kEndpoints, "default/web:8080");
  told = envoy.next();
  EXPECT_EQ(told.type_url, kEndpoints);
  EXPECT_EQ(told.names, web);
  EXPECT_TRUE(envoy.is_quiet());
}

// In state of the world it repeats its request: the same names, version and nonce (envoy#3355,
// "nonce ignored, the cluster never warms").
TEST_F(Envoy, ThatWarmsAClusterInStateOfTheWorldGetsItsEndpointsAgain) {
  SotwEnvoy envoy(control_plane_.address());
  const Names all{"default/db:5432", "default/web:8080"};
  envoy.ask(kClusters);
  (void)envoy.next();
  envoy.ask(kEndpoints, all);
  (void)envoy.next();
  EXPECT_TRUE(envoy.is_quiet());
  control_plane_.put({.name = "web-1", .service = "web", .port = 8080, .protocol = "grpc"});
  Told told = envoy.next();
  EXPECT_EQ(told.type_url, kClusters);
  EXPECT_EQ(told.names, all) << "full state";
  told = envoy.next();
  EXPECT_EQ(told.type_url, kEndpoints);
  EXPECT_THAT(told.names, ElementsAre("default/web:8080")) << "and not of what did not change";
  envoy.ask(kEndpoints, all);
  EXPECT_TRUE(envoy.is_quiet());
}

// go-control-plane#583: removed and added again, a cluster waits for endpoints as a new one does.
TEST_F(Envoy, WhoseClusterGoesAndReturnsGetsItsEndpoints) {
  DeltaEnvoy envoy;
  start(envoy);
  control_plane_.remove_file("db-1.yaml");
  for (const std::string& type : {kClusters, kEndpoints, kListeners}) {
    const Told told = envoy.next();
    EXPECT_EQ(told.type_url, type);
    EXPECT_THAT(told.names, ElementsAre("-default/db:5432"));
  }
  control_plane_.put({.name = "db-1", .service = "db", .port = 5432, .protocol = "tcp"});
  for (const std::string& type : {kClusters, kEndpoints, kListeners}) {
    const Told told = envoy.next();
    EXPECT_EQ(told.type_url, type);
    EXPECT_THAT(told.names, ElementsAre("default/db:5432"));
  }
  EXPECT_TRUE(envoy.is_quiet());
}

// envoy#9934, #36951: a stream that breaks while a cluster warms begins with its endpoints, and the
// cluster may be gone by then.
TEST_F(Envoy, ThatComesBackWhileWarmingIsToldThatTheClusterIsGone) {
  DeltaEnvoy envoy;
  envoy.connect(control_plane_.address());
  envoy.begin(kEndpoints, {"default/gone:1", "default/web:8080"});
  const Told told = envoy.next();
  EXPECT_THAT(told.names, UnorderedElementsAre("-default/gone:1", "default/web:8080"));
  envoy.begin(kClusters);
  EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
  // What comes later is told to who asked for it.
  control_plane_.put({.name = "gone-1", .service = "gone", .port = 1});
  EXPECT_THAT(envoy.next().names, ElementsAre("default/gone:1"));
  EXPECT_THAT(envoy.next().names, ElementsAre("default/gone:1"));
}

// xDS protocol, "ACK/NACK and resource type instance version": a refusal is not answered with the
// same again.
TEST_F(Envoy, ThatRefusesAListenerIsToldOfItWhenItChanges) {
  DeltaEnvoy envoy;
  envoy.connect(control_plane_.address());
  envoy.begin(kListeners);
  (void)envoy.refuse_next("error adding listener 'default/web:8080': cannot bind");
  EXPECT_TRUE(shows_refusal("error adding listener 'default/web:8080': cannot bind"));
  EXPECT_TRUE(envoy.is_quiet());
  control_plane_.put({.name = "web-1", .service = "web", .port = 8080, .protocol = "tcp"});
  EXPECT_THAT(envoy.next().names, ElementsAre("default/web:8080"));
}

TEST_F(Envoy, ThatIsRedirectedToHasAListenerForThat) {
  control_plane_.kill();
  control_plane_.start(flags("redirected"));
  // Also in a mesh where nothing is: else nothing at all would leave the machine.
  for (const std::string mesh : {"default", "empty"}) {
    DeltaEnvoy envoy(mesh);
    envoy.connect(control_plane_.address());
    envoy.begin(kClusters);
    EXPECT_THAT(envoy.next().names, Contains("passthrough"));
    envoy.begin(kListeners);
    EXPECT_THAT(envoy.next().names, Contains("redirect:ipv4"));
    const auto redirect = envoy.get<Listener>(kListeners, "redirect:ipv4");
    EXPECT_EQ(address_of(redirect), "127.0.0.1");
    EXPECT_EQ(redirect.address().socket_address().port_value(), 15001U);
    EXPECT_TRUE(redirect.use_original_dst().value());
    if (mesh == "default") {
      const auto web = envoy.get<Listener>(kListeners, "default/web:8080");
      EXPECT_TRUE(web.has_bind_to_port());
      EXPECT_FALSE(web.bind_to_port().value());
    }
  }
}

TEST_F(Envoy, HearsOfItsOwnMeshAlone) {
  control_plane_.put({.name = "api-1", .service = "api", .port = 80, .mesh = "other"});
  DeltaEnvoy envoy("other");
  envoy.connect(control_plane_.address());
  envoy.begin(kClusters);
  ASSERT_TRUE(wait_until([&] {
    (void)envoy.next();
    return !envoy.held[kClusters].empty();
  }));
  EXPECT_THAT(envoy.held[kClusters], ElementsAre(Key("other/api:80")));
}

// Passes one connection on to a server, and octets both ways, as a TcpProxy does.
void proxy_once(boost::asio::ip::tcp::acceptor& acceptor,
                const boost::asio::ip::tcp::endpoint& server) {
  using boost::asio::ip::tcp;
  boost::asio::io_context io;
  tcp::socket client(io);
  acceptor.accept(client);
  tcp::socket upstream(io);
  upstream.connect(server);
  char octet = 0;
  boost::asio::read(client, boost::asio::buffer(&octet, 1));
  boost::asio::write(upstream, boost::asio::buffer(&octet, 1));
  boost::asio::read(upstream, boost::asio::buffer(&octet, 1));
  boost::asio::write(client, boost::asio::buffer(&octet, 1));
}

// From a name to a workload: the resolver says where the name is, the listener is there, its
// cluster has the endpoint.
TEST_F(Envoy, MakesAVirtualAddressLeadSomewhere) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  using boost::asio::ip::tcp;
  const CommandResult route =
      run_command({"ip", "route", "add", "local", "244.0.0.0/6", "dev", "lo"});
  ASSERT_EQ(route.exit_code, 0) << route.error;
  boost::asio::io_context io;
  tcp::acceptor workload(io, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
  const std::uint16_t port = workload.local_endpoint().port();
  control_plane_.put({.name = "echo-1", .service = "echo", .port = port, .protocol = "tcp"});
  resolver_.start_ready(control_plane_);

  DeltaEnvoy envoy;
  const std::string name = fmt::format("default/echo:{}", port);
  envoy.connect(control_plane_.address());
  envoy.begin(kClusters);
  envoy.begin(kEndpoints, {name});
  envoy.begin(kListeners);
  ASSERT_TRUE(wait_until([&] {
    (void)envoy.next();
    return envoy.held[kListeners].contains(name) && envoy.held[kEndpoints].contains(name);
  }));
  const auto listener = envoy.get<Listener>(kListeners, name);
  TcpProxy filter;
  ASSERT_TRUE(listener.filter_chains(0).filters(0).typed_config().UnpackTo(&filter));
  const auto endpoints = envoy.get<ClusterLoadAssignment>(kEndpoints, filter.cluster());
  const auto& endpoint =
      endpoints.endpoints(0).lb_endpoints(0).endpoint().address().socket_address();
  tcp::acceptor bound(
      io,
      tcp::endpoint(boost::asio::ip::make_address(address_of(listener)),
                    static_cast<std::uint16_t>(listener.address().socket_address().port_value())));
  std::thread proxy([&] {
    proxy_once(bound, tcp::endpoint(boost::asio::ip::make_address(endpoint.address()),
                                    static_cast<std::uint16_t>(endpoint.port_value())));
  });
  std::thread server([&] {
    tcp::socket connection(io);
    workload.accept(connection);
    char octet = 0;
    boost::asio::read(connection, boost::asio::buffer(&octet, 1));
    ++octet;
    boost::asio::write(connection, boost::asio::buffer(&octet, 1));
  });
  tcp::socket client(io);
  client.connect(
      tcp::endpoint(boost::asio::ip::make_address(resolver_.wait_for_address("echo.mesh")), port));
  char octet = 'a';
  boost::asio::write(client, boost::asio::buffer(&octet, 1));
  boost::asio::read(client, boost::asio::buffer(&octet, 1));
  EXPECT_EQ(octet, 'b');
  proxy.join();
  server.join();
}

// A disk that takes no address: the service is there, has none, and nobody else gives it one.
TEST_F(Envoy, HasNoListenerWhereTheAddressIsNotOnDisk) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const TemporaryDirectory folder;
  control_plane_.kill();
  const SmallDisk disk(folder.file("state"), "64k");
  std::vector<std::string> on_disk = flags();
  on_disk.insert(on_disk.end(), {"--state-dir", folder.file("state")});
  control_plane_.start(on_disk);
  resolver_.start_ready(control_plane_);
  const std::string web = resolver_.wait_for_address("web.mesh");
  ASSERT_NE(web, "");
  disk.fill();
  // More than the rest of the journal's last page.
  std::string late;
  for (int i = 0; i < 100; ++i) {
    late +=
        to_yaml({.name = fmt::format("late-{}", i), .service = fmt::format("late{}", i)}) + "---\n";
  }
  control_plane_.put_file("late.yaml", late);
  ASSERT_TRUE(wait_until([&] { return rcode_of("late7.mesh") == "SERVFAIL"; }))
      << control_plane_.log();
  DeltaEnvoy envoy;
  envoy.connect(control_plane_.address());
  envoy.begin(kListeners);
  EXPECT_THAT(envoy.next().names, ElementsAre("default/db:5432", "default/web:8080"));
  EXPECT_THAT(control_plane_.get("/readyz").body, HasSubstr(folder.file("state")));
  EXPECT_THAT(data_of("web.mesh"), ElementsAre(web));
  disk.make_room();
  EXPECT_NE(resolver_.wait_for_address("late7.mesh"), "");
  EXPECT_THAT(envoy.next().names, Contains("default/late7:8080"));
  EXPECT_THAT(control_plane_.get("/readyz").body, Not(HasSubstr("default/late")));
}

// A control plane that starts knows no form of the service from before.
TEST_F(Envoy, KeepsTheAddressOfAServiceWhoseFileCannotBeReadAtStart) {
  const auto says = [this](const std::string& leases) {
    return control_plane_.get("/metrics")
               .body.find("\nmeshdns_vip_leases{state=" + leases + "\n") != std::string::npos;
  };
  ASSERT_TRUE(wait_until([&] { return says("\"active\"} 2"); }));
  control_plane_.kill();
  control_plane_.put_file("web-1.yaml", "type: Dataplane\nmesh: default\nname: web-1\nnetw");
  control_plane_.start(flags());
  EXPECT_THAT(control_plane_.get("/readyz").body, HasSubstr("web-1.yaml:4: "));
  EXPECT_TRUE(says("\"active\"} 2")) << "nobody else may get it";
  EXPECT_TRUE(says("\"released\"} 0"));
  control_plane_.remove_file("web-1.yaml");
  EXPECT_TRUE(wait_until([&] { return says("\"released\"} 1"); })) << "now it is no more";
}

TEST_F(Envoy, IsNotServedFromAFolderThatAnotherUses) {
  ControlPlaneProgram second;
  std::vector<std::string> same = flags();
  same.insert(same.end(), {"--state-dir", control_plane_.state_folder()});
  try {
    second.start(same);
    ADD_FAILURE() << "two programs give addresses from one folder";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(control_plane_.state_folder()));
    EXPECT_THAT(error.what(), HasSubstr("--state-dir"));
  }
}

}  // namespace
}  // namespace meshdns::support
