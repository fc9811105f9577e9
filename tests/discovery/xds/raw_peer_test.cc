// Each end against a peer that is scripted request by request with gRPC's generated stubs.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <grpc/compression.h>
#include <grpc/support/log.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>
#include <grpcpp/support/sync_stream.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/client_authenticator.h"
#include "discovery/xds/node.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "meshdns/mesh/v1/service.pb.h"
#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/tcp_relay.h"

namespace meshdns::discovery {
namespace {

using namespace std::chrono_literals;
using envoy::service::discovery::v3::AggregatedDiscoveryService;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using support::TcpRelay;
using testing::HasSubstr;

const std::string kType{kServiceTypeUrl};
const AdsClient::Interest kEverything{.wildcard = true, .names = {}};

// A client of one delta stream that does exactly what it is told.
class RawClient {
 public:
  explicit RawClient(const TestServer& server,
                     grpc_compression_algorithm compression = GRPC_COMPRESS_NONE)
      : stub_(AggregatedDiscoveryService::NewStub(
            grpc::CreateChannel(server.target(), grpc::InsecureChannelCredentials()))) {
    context_.set_compression_algorithm(compression);
    context_.set_deadline(std::chrono::system_clock::now() + 60s);
    stream_ = stub_->DeltaAggregatedResources(&context_);
  }

  void ask(const std::string& type_url, const std::string& nonce = "") {
    DeltaDiscoveryRequest request;
    request.set_type_url(type_url);
    request.set_response_nonce(nonce);
    stream_->Write(request);
  }
  void subscribe(const std::string& type_url, int count, const std::string& prefix) {
    DeltaDiscoveryRequest request;
    request.set_type_url(type_url);
    for (int i = 0; i < count; ++i) {
      request.add_resource_names_subscribe(prefix + std::to_string(i));
    }
    stream_->Write(request);
  }
  DeltaDiscoveryResponse read() {
    DeltaDiscoveryResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  // Reads to the end.
  grpc::Status finish() {
    DeltaDiscoveryResponse response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }
  void half_close() { stream_->WritesDone(); }
  void cancel() { context_.TryCancel(); }

 private:
  std::unique_ptr<AggregatedDiscoveryService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<DeltaDiscoveryRequest, DeltaDiscoveryResponse>> stream_;
};

ResourceUpdate put(const std::string& name, std::string value) {
  return {kType, name, std::move(value)};
}

TEST(AdsServer, AMissingTypeUrlIsAnInvalidArgument) {
  const TestServer server;
  RawClient client(server);
  client.ask("");
  const grpc::Status status = client.finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("type_url"));
}

TEST(AdsServer, ALongTypeUrlIsAnInvalidArgument) {
  const TestServer server;
  RawClient client(server);
  client.ask(std::string(1025, 't'));
  const grpc::Status status = client.finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("type_url is longer than 1024 octets"));
}

// A mebibyte of it can be a gibibyte once unpacked.
TEST(AdsServer, ACompressedRequestIsRefusedAndNotUnpacked) {
  const TestServer server;
  RawClient client(server, GRPC_COMPRESS_GZIP);
  client.ask(std::string(1UL << 20U, 'x'));
  EXPECT_EQ(client.finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(AdsServer, AnUnknownTypeLeavesTheStreamOpen) {
  TestServer server;
  server.resources().apply({put("a", "1")}, {});
  RawClient client(server);
  client.ask("type.googleapis.com/example.Unknown");
  client.ask(kType);
  EXPECT_EQ(client.read().type_url(), kType);
}

TEST(AdsServer, AClientThatHasSaidAllIsLetGoInPeace) {
  const TestServer server;
  RawClient client(server);
  client.ask(kType);
  client.read();
  client.half_close();
  EXPECT_TRUE(client.finish().ok());
}

TEST(AdsServer, AStoppingServerSaysSoToItsClients) {
  TestServer server;
  RawClient client(server);
  client.ask(kType);
  client.read();
  server.stop();
  EXPECT_EQ(client.finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(AdsServer, OneStreamTooManyIsRefusedAndTheOthersStay) {
  AdsServer::Options options;
  options.max_streams = 2;
  TestServer server(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<RawClient>(server));
    clients.back()->ask(kType);
    clients.back()->read();
  }
  RawClient third(server);
  third.ask(kType);
  EXPECT_EQ(third.finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);

  server.resources().apply({put("a", "1")}, {});
  clients.front()->ask(kType, "1");
  EXPECT_EQ(clients.front()->read().resources_size(), 1);

  // A place that becomes free is given again.
  clients.pop_back();
  ControlLoop loop;
  ASSERT_TRUE(loop.wait_for([&] { return server.server().streams() == 1; }));
  RawClient fourth(server);
  fourth.ask(kType);
  EXPECT_EQ(fourth.read().resources_size(), 1);
}

// Lets everybody in until it is told that they are no longer good.
class Revocable final : public ClientAuthenticator {
 public:
  Result<std::shared_ptr<const ClientIdentity>> authenticate(
      const std::vector<std::string>& /*authorization*/) override {
    return std::make_shared<const Guest>(*this);
  }
  std::atomic<bool> is_revoked{false};

 private:
  class Guest final : public ClientIdentity {
   public:
    explicit Guest(const Revocable& of) : of_(of) {}
    [[nodiscard]] Result<void> permit(const NodeInfo& /*node*/) const override { return {}; }
    [[nodiscard]] Result<void> recheck() const override {
      return of_.is_revoked ? fail(ErrorCode::kPermissionDenied, "no longer good") : Result<void>();
    }
    [[nodiscard]] std::vector<Fact> describe() const override { return {}; }

   private:
    const Revocable& of_;
  };
};

// Else it would keep its stream, and what it registered, for as long as it reads nothing.
TEST(AdsServer, AClientThatIsNoLongerKnownIsNotWaitedForToReadWhatItWasSent) {
  Revocable authenticator;
  AdsServer::Options options;
  options.authenticator = &authenticator;
  TestServer server(options);
  server.resources().apply({put("a", std::string(4UL << 20U, 'x'))}, {});
  RawClient client(server);
  client.ask(kType);
  ControlLoop loop;
  ASSERT_TRUE(loop.wait_for([&] { return server.metrics().responses.of(kType).value() == 1; }));
  authenticator.is_revoked = true;
  EXPECT_TRUE(loop.wait_for([&] {
    server.server().recheck_clients();  // as it is once a second
    return server.server().streams() == 0;
  }));
  EXPECT_EQ(server.metrics().streams_refused.value(), 1U);
}

TEST(AdsServer, AClientThatSaysNothingIsLetGo) {
  AdsServer::Options options;
  options.first_request_timeout = 100ms;
  TestServer server(options);
  RawClient client(server);
  client.ask(kType);
  client.read();
  RawClient silent(server);
  EXPECT_EQ(silent.finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(server.metrics().streams_refused.value(), 1U);

  // Who has spoken may be silent.
  server.resources().apply({put("a", "1")}, {});
  client.ask(kType, "1");
  EXPECT_EQ(client.read().resources_size(), 1);
}

// Whoever opens all the streams there may be, and says nothing, keeps nobody out.
TEST(AdsServer, WhoSpeaksTakesThePlaceOfOneThatIsSilent) {
  AdsServer::Options options;
  options.max_streams = 3;
  TestServer server(options);
  server.resources().apply({put("a", "1")}, {});
  RawClient spoken(server);
  spoken.ask(kType);
  spoken.read();
  RawClient first(server);
  ControlLoop loop;
  ASSERT_TRUE(loop.wait_for([&] { return server.server().streams() == 2; }));
  RawClient second(server);
  ASSERT_TRUE(loop.wait_for([&] { return server.server().streams() == 3; }));

  RawClient newcomer(server);
  newcomer.ask(kType);
  EXPECT_EQ(newcomer.read().resources_size(), 1);
  EXPECT_EQ(first.finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(server.server().streams(), 3U);
  // Neither the other silent one nor who had spoken before has lost its place.
  second.ask(kType);
  EXPECT_EQ(second.read().resources_size(), 1);
  RawClient late(server);
  late.ask(kType);
  EXPECT_EQ(late.finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(AdsServer, OneConnectionHasSoManyStreamsAtOneTime) {
  AdsServer::Options options;
  options.max_streams_per_connection = 2;
  TestServer server(options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<RawClient>(server));
    clients.back()->ask(kType);
    clients.back()->read();
  }
  // gRPC makes one connection of them all, and waits for its turn.
  auto answer = std::async(std::launch::async, [&] {
    RawClient third(server);
    third.ask(kType);
    return third.read().type_url();
  });
  server.resources().apply({put("a", "1")}, {});
  clients.front()->ask(kType, "1");
  clients.front()->read();
  EXPECT_EQ(server.server().streams(), 2U);
  clients.pop_back();
  EXPECT_EQ(answer.get(), kType);
}

// They are kept as long as the stream is there, whether anybody has them or not.
TEST(AdsServer, WhoAsksForNamesThatNobodyHasMakesRoomForOthers) {
  AdsServer::Options options;
  options.max_subscription_bytes = 40'000'000;
  TestServer server(options);
  server.resources().apply({put("a", "1")}, {});
  RawClient client(server);
  client.ask(kType);
  client.read();
  RawClient modest(server);
  modest.subscribe(kType, 20'000, "modest-");
  RawClient hog(server);
  hog.subscribe(kType, 100'000, std::string(200, 'h'));
  const grpc::Status status = hog.finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("names that are not there"));

  ControlLoop loop;
  EXPECT_TRUE(loop.wait_for([&] { return server.server().streams() == 2; }));
  server.resources().apply({put("a", "2")}, {});
  client.ask(kType, "1");
  EXPECT_EQ(client.read().resources(0).resource().value(), "2");
}

TEST(AdsServer, AnotherServiceIsUnimplemented) {
  const TestServer server;
  grpc::GenericStub stub(grpc::CreateChannel(server.target(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const grpc::Slice slice("");
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer reply;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters", {},
                 &request, &reply, [&](const grpc::Status& status) { done.set_value(status); });
  EXPECT_EQ(done.get_future().get().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

// A client that says one thing and closes its end: to the server, a stream like any other.
TEST(AdsServer, AServiceForOneTypeIsServedBesideTheAggregatedOne) {
  const TestServer server;
  grpc::GenericStub stub(grpc::CreateChannel(server.target(), grpc::InsecureChannelCredentials()));
  for (const auto& [method, type_url] : std::map<std::string, std::string_view>{
           {"listener.v3.ListenerDiscoveryService/StreamListeners", kListenerTypeUrl},
           {"cluster.v3.ClusterDiscoveryService/StreamClusters", kClusterTypeUrl}}) {
    grpc::ClientContext context;
    DiscoveryRequest asked;
    asked.mutable_node()->set_id("default.test");
    const grpc::Slice slice(asked.SerializeAsString());
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer reply;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/envoy.service." + method, {}, &request, &reply,
                   [&](const grpc::Status& status) { done.set_value(status); });
    const grpc::Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status.error_message();
    grpc::Slice octets;
    ASSERT_TRUE(reply.DumpToSingleSlice(&octets).ok());
    DiscoveryResponse response;
    ASSERT_TRUE(response.ParseFromArray(octets.begin(), static_cast<int>(octets.size())));
    EXPECT_EQ(response.type_url(), type_url) << "an empty mesh is an answer";
  }
}

// It even pretends to acknowledge, so that only flow control holds the server back: the windows of
// the two HTTP/2 ends take a few of the 200 changes.
TEST(AdsServer, AStreamThatNeverReadsCostsOneResponseHoweverMuchChanges) {
  TestServer server;
  server.resources().apply({put("a", std::string(1'000'000, 'x'))}, {});
  RawClient client(server);
  client.ask(kType);
  ControlLoop loop;
  ASSERT_TRUE(loop.wait_for([&] { return server.metrics().responses.of(kType).value() == 1; }));
  for (int i = 1; i <= 200; ++i) {
    server.resources().apply({put("a", std::string(1'000'000, static_cast<char>('0' + i % 10)))},
                             {});
    client.ask(kType, std::to_string(i));
  }
  server.resources().apply({put("a", "newest")}, {});
  // A second stream, which reads, has the newest: pushing has had its turn.
  RawClient reader(server);
  reader.ask(kType);
  EXPECT_EQ(reader.read().resources(0).resource().value(), "newest");
  EXPECT_LE(server.metrics().responses.of(kType).value(), 20U);

  // Once it reads, it soon has the newest, and nothing in between is made up for.
  std::string value;
  int reads = 0;
  for (; value != "newest" && reads < 25; ++reads) {
    const DeltaDiscoveryResponse response = client.read();
    value = response.resources_size() == 0 ? "" : response.resources(0).resource().value();
    client.ask(kType, response.nonce());
  }
  EXPECT_TRUE(value == "newest");
}

// Serves state of the world only, so delta is UNIMPLEMENTED.
class SotwServer final : public AggregatedDiscoveryService::Service {
 public:
  using Script =
      std::function<void(grpc::ServerReaderWriter<DiscoveryResponse, DiscoveryRequest>& stream)>;

  explicit SotwServer(Script script) : script_(std::move(script)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_)
        .SetMaxSendMessageSize(-1)
        .RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  SotwServer(const SotwServer&) = delete;
  SotwServer& operator=(const SotwServer&) = delete;
  ~SotwServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  [[nodiscard]] AdsClient::Options options() const {
    AdsClient::Options options;
    options.targets = {"ipv4:127.0.0.1:" + std::to_string(port_)};
    return options;
  }

 private:
  grpc::Status StreamAggregatedResources(
      grpc::ServerContext* /*context*/,
      grpc::ServerReaderWriter<DiscoveryResponse, DiscoveryRequest>* stream) override {
    script_(*stream);
    return grpc::Status::OK;
  }

  Script script_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Speaks delta, and does not wait for a request as large as that of who holds much.
class HastyServer final : public AggregatedDiscoveryService::Service {
 public:
  static constexpr int kHeld = 45;

  HastyServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_)
        .SetMaxReceiveMessageSize(-1)
        .SetMaxSendMessageSize(-1)
        .RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  HastyServer(const HastyServer&) = delete;
  HastyServer& operator=(const HastyServer&) = delete;
  ~HastyServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  [[nodiscard]] AdsClient::Options options() const {
    AdsClient::Options options;
    options.targets = {"ipv4:127.0.0.1:" + std::to_string(port_)};
    return options;
  }
  [[nodiscard]] int streams() const { return streams_; }

 private:
  grpc::Status DeltaAggregatedResources(
      grpc::ServerContext* /*context*/,
      grpc::ServerReaderWriter<DeltaDiscoveryResponse, DeltaDiscoveryRequest>* stream) override {
    DeltaDiscoveryRequest request;
    stream->Read(&request);
    ++streams_;
    if (request.initial_resource_versions_size() > 0) {
      return {grpc::StatusCode::DEADLINE_EXCEEDED, "no request came"};
    }
    DeltaDiscoveryResponse response;
    response.set_type_url(kType);
    response.set_nonce("1");
    for (int i = 0; i < kHeld; ++i) {
      auto& resource = *response.add_resources();
      resource.set_name(std::string(100'000, 'n') + std::to_string(i));
      resource.set_version("1");
      resource.mutable_resource()->set_type_url(kType);
    }
    stream->Write(response);
    stream->Read(&request);
    return grpc::Status::OK;
  }

  std::atomic<int> streams_ = 0;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

DiscoveryResponse response_with(const std::string& service, const std::string& nonce) {
  mesh::v1::Service message;
  message.set_mesh("default");
  message.set_name(service);
  DiscoveryResponse response;
  response.set_type_url(kType);
  response.set_version_info("v" + nonce);
  response.set_nonce(nonce);
  response.add_resources()->PackFrom(message);
  return response;
}

TEST(AdsClient, SpeaksStateOfTheWorldToAServerThatKnowsNothingElse) {
  std::promise<DiscoveryRequest> first;
  std::promise<DiscoveryRequest> ack;
  const SotwServer server([&](auto& stream) {
    DiscoveryRequest request;
    stream.Read(&request);
    first.set_value(request);
    stream.Write(response_with("web", "1"));
    stream.Read(&request);
    ack.set_value(request);
    stream.Read(&request);
  });
  ControlLoop loop;
  TestClient client(loop, server.options(), kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.held.contains("default/web"); }));
  EXPECT_EQ(client.metrics().connection_attempts.value(), 2U);
  const DiscoveryRequest asked = first.get_future().get();
  EXPECT_EQ(asked.node().id(), "default.test");
  EXPECT_EQ(asked.resource_names_size(), 0);
  const DiscoveryRequest acked = ack.get_future().get();
  EXPECT_EQ(acked.response_nonce(), "1");
  EXPECT_EQ(acked.version_info(), "v1");
  EXPECT_FALSE(acked.has_node());
  client.client().stop();
}

// As on a slow link, where what is held takes longer to come than the server waits for it.
TEST(AdsClient, AServerThatDoesNotWaitForWhatIsHeldIsNotToldOfIt) {
  const HastyServer server;
  ControlLoop loop;
  TestClient client(loop, server.options(), kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.delivered == HastyServer::kHeld; }));
  EXPECT_TRUE(loop.wait_for([&] { return client.delivered == 2 * HastyServer::kHeld; }));
  client.client().stop();
  EXPECT_GE(server.streams(), 3);
}

TEST(AdsClient, AResponsePastItsLimitCostsTheStreamAndNothingElse) {
  std::atomic<int> streams = 0;
  const SotwServer server([&](auto& stream) {
    DiscoveryRequest request;
    stream.Read(&request);
    DiscoveryResponse response = response_with("web", "1");
    if (++streams == 1) {
      response.mutable_control_plane()->set_identifier(std::string(200'000, 'x'));
    }
    stream.Write(response);
    stream.Read(&request);
    stream.Read(&request);
  });
  AdsClient::Options options = server.options();
  options.max_receive_bytes = 100'000;
  options.sotw_only = true;
  ControlLoop loop;
  TestClient client(loop, options, kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.held.contains("default/web"); }));
  EXPECT_EQ(streams, 2);
  client.client().stop();
}

// The network between a client and `server`, until it is frozen.
class Network {
 public:
  explicit Network(const TestServer& server)
      : relay_(SocketAddress::parse(server.address()).value()) {}

  // What is connected, or connects while it is frozen, is dead for good: nothing passes.
  void freeze() {
    relay_.set_plan([] { return TcpRelay::Ending{.fate = TcpRelay::Fate::kSwallow, .lasts = 1h}; });
    relay_.bring(TcpRelay::Fate::kSwallow);
  }
  void thaw() {
    relay_.set_plan([] { return TcpRelay::Ending{}; });
  }
  [[nodiscard]] std::string target() const { return "ipv4:" + relay_.address().to_string(); }
  [[nodiscard]] std::size_t open_connections() const { return relay_.open_connections(); }

 private:
  TcpRelay relay_;
};

TEST(AdsClient, NoticesAConnectionThatDiedWithoutAWord) {
  const TestServer server;
  Network network(server);
  AdsClient::Options options;
  options.targets = {network.target()};
  options.keepalive_time = 300ms;
  options.keepalive_timeout = 300ms;
  options.connect_timeout = 300ms;
  ControlLoop loop;
  TestClient client(loop, options, kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
  network.freeze();
  ASSERT_TRUE(loop.wait_for([&] { return !client.client().connected(); }));
  network.thaw();
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
}

TEST(AdsClient, AClientThatIsStoppedHasNoConnectionLeft) {
  const TestServer server;
  const Network network(server);
  AdsClient::Options options;
  options.targets = {network.target()};
  ControlLoop loop;
  TestClient client(loop, options, kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
  EXPECT_EQ(network.open_connections(), 1U);
  client.client().stop();
  EXPECT_TRUE(loop.wait_for([&] { return network.open_connections() == 0; }));
}

// What gRPC logs of GOAWAYs, which it tells nobody else.
std::mutex goaways_mutex;
std::vector<std::string> goaways;
void keep_goaways(gpr_log_func_args* line) {
  if (const std::string_view text = line->message; text.find("GOAWAY") != std::string_view::npos) {
    const std::lock_guard lock(goaways_mutex);
    goaways.emplace_back(text);
  }
}

// A server of gRPC as it is when nobody has set anything: it allows a ping in five minutes, and
// ends the connection at the third that comes sooner.
TEST(AdsClient, PingsHalfAsOftenWhereAServerEndsTheConnectionForIt) {
  const SotwServer server([](auto& stream) {
    DiscoveryRequest request;
    while (stream.Read(&request)) {
    }
  });
  AdsClient::Options options = server.options();
  options.sotw_only = true;
  options.keepalive_time = 100ms;
  options.backoff = {.initial = 100ms, .maximum = 100ms};
  gpr_set_log_function(keep_goaways);
  ControlLoop loop;
  TestClient client(loop, options, kType, kEverything);
  const bool came = loop.wait_for([] {
    const std::lock_guard lock(goaways_mutex);
    return goaways.size() >= 2;
  });
  client.client().stop();
  gpr_set_log_function(nullptr);
  ASSERT_TRUE(came);
  EXPECT_THAT(goaways[0],
              HasSubstr("too_many_pings\". Current keepalive time (before throttling): 100ms"));
  EXPECT_THAT(goaways[1], HasSubstr("(before throttling): 200ms"));
}

TEST(AdsServer, NoticesAClientThatDiedWithoutAWord) {
  AdsServer::Options options;
  options.keepalive_time = 300ms;
  options.keepalive_timeout = 300ms;
  TestServer server(options);
  Network network(server);
  AdsClient::Options client_options;
  client_options.targets = {network.target()};
  ControlLoop loop;
  TestClient client(loop, client_options, kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
  network.freeze();
  EXPECT_TRUE(loop.wait_for([&] { return server.server().streams() == 0; }));
}

}  // namespace
}  // namespace meshdns::discovery
