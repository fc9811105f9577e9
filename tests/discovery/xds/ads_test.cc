// Our client against our server, over real gRPC.
#include <array>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "meshdns/mesh/v1/service.pb.h"
#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/http2_frames.h"
#include "tests/support/wait_until.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kType{kServiceTypeUrl};
const AdsClient::Interest kEverything{.wildcard = true, .names = {}};

// A real Service, because state of the world takes the name from it; `text` makes it differ.
std::string value_of(const std::string& name, const std::string& text) {
  mesh::v1::Service service;
  service.set_mesh("default");
  service.set_name(name);
  service.set_zone(text);
  return service.SerializeAsString();
}

ResourceUpdate put(const std::string& name, const std::string& text) {
  return {kType, "default/" + name, value_of(name, text)};
}

ResourceRemoval drop(const std::string& name) { return {kType, "default/" + name}; }

AdsClient::Options options_for(const TestServer& server, bool sotw) {
  AdsClient::Options options;
  options.targets = {server.target()};
  options.sotw_only = sotw;
  return options;
}

// Both variants must look the same to a subscriber.
class EitherVariant : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static bool sotw() { return GetParam(); }

  std::unique_ptr<TestClient> connect(const AdsClient::Interest& interest = kEverything) {
    return std::make_unique<TestClient>(loop, options_for(server, sotw()), kType, interest);
  }

  TestServer server;
  ControlLoop loop;
};

std::string name_of_variant(const testing::TestParamInfo<bool>& info) {
  return info.param ? "Sotw" : "Delta";
}

INSTANTIATE_TEST_SUITE_P(Ads, EitherVariant, testing::Values(false, true), name_of_variant);

TEST_P(EitherVariant, DeliversWhatIsThereThenChangesThenRemovals) {
  server.resources().apply({put("web", "1"), put("backend", "1")}, {});
  const auto client = connect();
  ASSERT_TRUE(loop.wait_for([&] { return client->held.size() == 2; }));
  EXPECT_EQ(client->held["default/web"], value_of("web", "1"));
  EXPECT_TRUE(client->client().connected());

  server.resources().apply({put("web", "2")}, {});
  ASSERT_TRUE(loop.wait_for([&] { return client->held["default/web"] == value_of("web", "2"); }));

  server.resources().apply({}, {drop("web")});
  ASSERT_TRUE(loop.wait_for([&] { return !client->held.contains("default/web"); }));
  EXPECT_TRUE(client->held.contains("default/backend"));
  ASSERT_TRUE(loop.wait_for([&] { return server.metrics().acks.of(kType).value() == 3; }));
  EXPECT_EQ(client->metrics().acks.of(kType).value(), 3U);
  EXPECT_EQ(client->metrics().connected.value(), 1);
}

TEST_P(EitherVariant, AnEmptyMeshIsAnAnswer) {
  const auto client = connect();
  ASSERT_TRUE(loop.wait_for([&] { return client->client().connected(); }));
  EXPECT_EQ(client->responses, 1U);
  EXPECT_TRUE(client->held.empty());
}

TEST_P(EitherVariant, DeliversOnlyTheNamesAskedFor) {
  server.resources().apply({put("a", "1"), put("b", "1"), put("c", "1")}, {});
  const auto client = connect({.wildcard = false, .names = {"default/a", "default/b"}});
  ASSERT_TRUE(loop.wait_for([&] { return client->held.size() == 2; }));
  EXPECT_FALSE(client->held.contains("default/c"));

  client->client().set_interest(kType, {.wildcard = false, .names = {"default/c"}});
  ASSERT_TRUE(loop.wait_for([&] { return client->held.contains("default/c"); }));
  server.resources().apply({put("a", "2"), put("c", "2")}, {});
  ASSERT_TRUE(loop.wait_for([&] { return client->held["default/c"] == value_of("c", "2"); }));
  EXPECT_NE(client->held["default/a"], value_of("a", "2"));
}

TEST_P(EitherVariant, TakesTheGoodOfAPartlyBadResponseAndNamesTheBadToTheServer) {
  server.resources().apply({put("good", "1"), put("worse", "1")}, {});
  const auto client = connect();
  ASSERT_TRUE(loop.wait_for([&] { return client->held.size() == 2; }));

  server.resources().apply({put("good", "2"), put("worse", "bad"), put("worst", "bad")}, {});
  ASSERT_TRUE(loop.wait_for([&] { return server.metrics().nacks.of(kType).value() == 1; }));
  EXPECT_EQ(client->held["default/good"], value_of("good", "2"));
  EXPECT_EQ(client->metrics().rejected_resources.of(kType).value(), 2U);
  EXPECT_EQ(client->metrics().nacks.of(kType).value(), 1U);

  // The stream goes on.
  server.resources().apply({put("worse", "3")}, {drop("worst")});
  ASSERT_TRUE(
      loop.wait_for([&] { return client->held["default/worse"] == value_of("worse", "3"); }));
  server.stop();
  EXPECT_THAT(server.log().text(), HasSubstr("default/worse: value is bad; default/worst"));
}

TEST_P(EitherVariant, KeepsWhatItHasWhenTheServerIsGoneAndGoesOnWhenItIsBack) {
  server.resources().apply({put("a", "1"), put("b", "1")}, {});
  const auto client = connect();
  ASSERT_TRUE(loop.wait_for([&] { return client->held.size() == 2; }));
  server.stop();
  ASSERT_TRUE(loop.wait_for([&] { return !client->client().connected(); }));
  EXPECT_EQ(client->held.size(), 2U);
  EXPECT_EQ(client->metrics().connected.value(), 0);

  server.resources().apply({put("a", "2")}, {drop("b")});
  server.start();
  ASSERT_TRUE(loop.wait_for([&] { return client->client().connected(); }));
  EXPECT_EQ(client->held["default/a"], value_of("a", "2"));
  EXPECT_FALSE(client->held.contains("default/b"));
  EXPECT_THAT(client->connections, ElementsAre(true, false, true));
}

TEST_P(EitherVariant, TenThousandResourcesArriveAndEachWasSerialisedOnce) {
  std::vector<ResourceUpdate> updates;
  for (int i = 0; i < 10'000; ++i) {
    updates.push_back(put("service-" + std::to_string(i), "zone"));
  }
  server.resources().apply(updates, {});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
  }
  for (const auto& client : clients) {
    ASSERT_TRUE(loop.wait_for([&] { return client->held.size() == 10'000; }));
  }
  server.resources().apply({put("service-5", "elsewhere")}, {});
  for (const auto& client : clients) {
    ASSERT_TRUE(loop.wait_for(
        [&] { return client->held["default/service-5"] == value_of("service-5", "elsewhere"); }));
  }
  EXPECT_EQ(server.resources().stats().serialisations, 10'001U);
  if (!sotw()) {
    EXPECT_EQ(clients.front()->delivered, 10'001U);
  }
}

TEST_P(EitherVariant, MoreThanFourMebibytesArrive) {
  std::vector<ResourceUpdate> updates;
  for (int i = 0; i < 12; ++i) {
    updates.push_back(put("service-" + std::to_string(i), std::string(700'000, 'z')));
  }
  server.resources().apply(updates, {});
  const auto client = connect();
  ASSERT_TRUE(loop.wait_for([&] { return client->held.size() == 12; }));
  if (sotw()) {
    EXPECT_EQ(client->responses, 1U);
  } else {
    EXPECT_GT(client->responses, 7U) << "delta is cut into pieces";
  }
}

TEST_P(EitherVariant, StopsAtAnyTime) {
  server.resources().apply({put("a", "1")}, {});
  const auto early = connect();
  early->client().stop();  // before anything was heard

  const auto later = connect();
  ASSERT_TRUE(loop.wait_for([&] { return later->client().connected(); }));
  later->client().stop();
  later->client().stop();
  EXPECT_FALSE(later->client().connected());

  const auto inside = connect();
  inside->on_take = [&] { inside->client().stop(); };
  ASSERT_TRUE(loop.wait_for([&] { return inside->responses == 1; }));

  EXPECT_TRUE(loop.wait_for([&] { return server.metrics().streams.value() == 0; }));
  server.resources().apply({put("a", "2")}, {});

  const auto without_server = connect();
  ASSERT_TRUE(loop.wait_for([&] { return without_server->client().connected(); }));
  server.stop();
  const auto attempts = [&] { return without_server->metrics().connection_attempts.value(); };
  ASSERT_TRUE(loop.wait_for([&] { return attempts() > 3; }));
  without_server->client().stop();
  const auto last_attempts = attempts();

  // Those that stopped hear nothing of a server that is back.
  server.start();
  const auto witness = connect();
  ASSERT_TRUE(loop.wait_for([&] { return witness->client().connected(); }));
  EXPECT_EQ(server.metrics().streams.value(), 1);
  EXPECT_EQ(early->responses, 0U);
  EXPECT_EQ(later->responses, 1U);
  EXPECT_EQ(inside->responses, 1U);
  EXPECT_EQ(without_server->responses, 1U);
  EXPECT_EQ(attempts(), last_attempts);
}

TEST(Ads, AServerRestartedWithTheSameContentResendsNothing) {
  TestServer server;
  ControlLoop loop;
  const std::vector<ResourceUpdate> updates = {put("a", "1"), put("b", "1"), put("c", "1")};
  server.resources().apply(updates, {});
  TestClient client(loop, options_for(server, false), kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.held.size() == 3; }));

  server.stop();
  auto replica = std::make_shared<ResourceSet>();
  replica->apply({updates[2], updates[0], updates[1]}, {});
  server.replace_resources(replica);
  ASSERT_TRUE(loop.wait_for([&] { return !client.client().connected(); }));
  server.start();
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
  EXPECT_EQ(client.responses, 2U);
  EXPECT_EQ(client.delivered, 3U) << "all of them in the first response";
  EXPECT_EQ(client.removed, 0U);
}

TEST(Ads, AFirstRequestOfMoreThanFourMebibytesIsTaken) {
  TestServer server;
  ControlLoop loop;
  std::vector<ResourceUpdate> updates;
  for (int i = 0; i < 20'000; ++i) {
    updates.push_back(put(std::string(200, 'n') + std::to_string(i), ""));
  }
  server.resources().apply(updates, {});
  TestClient client(loop, options_for(server, false), kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.held.size() == updates.size(); }));
  server.stop();
  ASSERT_TRUE(loop.wait_for([&] { return !client.client().connected(); }));
  server.start();
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
  EXPECT_EQ(client.delivered, updates.size()) << "its versions were read";
}

// gRPC's own servers do, unless told otherwise.
TEST(Ads, AServerThatTakesNoMoreThanFourMebibytesIsNotToldWhatIsHeldAndTellsIt) {
  constexpr int kCount = 45;
  const std::string octets(100'000, 'n');
  AdsServer::Options modest;
  modest.max_receive_bytes = 4UL << 20U;
  TestServer server(modest);
  for (int i = 0; i < kCount; ++i) {
    server.resources().apply({{kType, octets + std::to_string(i), "1"}}, {});
  }
  ControlLoop loop;
  TestClient client(loop, options_for(server, false), kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.held.size() == kCount; }));

  server.stop();
  ASSERT_TRUE(loop.wait_for([&] { return !client.client().connected(); }));
  server.resources().apply({{kType, octets + "0", "2"}}, {});
  server.start();
  ASSERT_TRUE(loop.wait_for([&] { return client.held[octets + "0"] == "2"; }));
  EXPECT_TRUE(loop.wait_for([&] { return client.delivered == 2 * kCount; }));
  EXPECT_TRUE(client.client().connected());
}

// As when a control plane starts again with next to nothing of a large mesh.
TEST(Ads, AClientThatHoldsMoreThanTheServerBelievesComesBack) {
  constexpr int kCount = 45;
  AdsServer::Options few;
  few.max_names = 10;
  TestServer server(few);
  for (int i = 0; i < kCount; ++i) {
    server.resources().apply({{kType, std::string(100'000, 'n') + std::to_string(i), "1"}}, {});
  }
  ControlLoop loop;
  TestClient client(loop, options_for(server, false), kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.held.size() == kCount; }));

  server.stop();
  server.replace_resources(std::make_shared<ResourceSet>());
  ASSERT_TRUE(loop.wait_for([&] { return !client.client().connected(); }));
  server.start();
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
  EXPECT_EQ(client.held.size(), kCount) << "for a minute";
  server.resources().apply({{kType, "news", "1"}}, {});
  EXPECT_TRUE(loop.wait_for([&] { return client.held.contains("news"); }));
}

TEST(Ads, MoreNamesThanOneRequestMayHoldAreAskedForInSeveral) {
  constexpr int kCount = 45;
  AdsServer::Options modest;
  modest.max_receive_bytes = 4UL << 20U;
  TestServer server(modest);
  AdsClient::Interest interest;
  for (int i = 0; i < kCount; ++i) {
    interest.names.push_back(std::string(100'000, 'n') + std::to_string(i));
    server.resources().apply({{kType, interest.names.back(), "1"}}, {});
  }
  ControlLoop loop;
  TestClient client(loop, options_for(server, false), kType, interest);
  ASSERT_TRUE(loop.wait_for([&] { return client.held.size() == kCount; }));
}

TEST(Ads, TriesTheTargetsInOrder) {
  TestServer dead;
  TestServer server;
  dead.stop();
  ControlLoop loop;
  AdsClient::Options options = options_for(server, false);
  options.targets.insert(options.targets.begin(), dead.target());
  TestClient client(loop, options, kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return client.client().connected(); }));
  EXPECT_EQ(client.metrics().connection_attempts.value(), 2U);

  // Lost, it begins with the first again.
  dead.start();
  server.stop();
  ASSERT_TRUE(loop.wait_for([&] { return dead.server().streams() == 1; }));
}

TEST(Ads, AnAudienceDecidesByTheNodeAndItsErrorReachesTheClient) {
  TestLog log;
  MetricRegistry registry;
  XdsServerMetrics metrics(registry);
  std::string seen;
  auto server = AdsServer::start(
      {.listen = "127.0.0.1:0"},
      [&](const NodeInfo& node) -> Result<std::shared_ptr<ResourceSet>> {
        seen = node.id + " " + node.zone + " " + node.metadata.at("mesh");
        return fail(ErrorCode::kNotFound, "no mesh of that name");
      },
      log.logger(), metrics);
  ASSERT_TRUE(server);
  ControlLoop loop;
  AdsClient::Options options;
  options.targets = {"ipv4:127.0.0.1:" + std::to_string((*server)->port())};
  options.node.zone = "east";
  options.node.metadata = {{"mesh", "default"}};
  TestClient client(loop, options, kType, kEverything);
  ASSERT_TRUE(loop.wait_for([&] { return metrics.streams_refused.value() > 1; }));
  client.client().stop();
  (*server)->shutdown();
  EXPECT_EQ(seen, "default.test east default");
  EXPECT_THAT(client.log().text(), HasSubstr("no mesh of that name"));
}

struct ListenCase {
  std::string listen;
  ErrorCode want;
};

const std::string kBeginHttp2 =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + support::http2::frame(support::http2::kSettings, 0, 0, "");

// A connection on which this was said.
UniqueFd say(const TestServer& server, const std::string& words) {
  sockaddr_storage storage{};
  const auto size =
      static_cast<socklen_t>(SocketAddress::parse(server.address()).value().to_sockaddr(storage));
  UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* const name = reinterpret_cast<const sockaddr*>(&storage);  // NOLINT: as it asks
  EXPECT_EQ(::connect(connection.get(), name, size), 0);
  EXPECT_EQ(::write(connection.get(), words.data(), words.size()), std::ssize(words));
  return connection;
}

// Says this to the server and no more; whether the server closes the connection.
bool is_closed_after(const TestServer& server, const std::string& words) {
  const UniqueFd silent = say(server, words);
  std::array<char, 4096> octets{};
  ssize_t count = 1;
  while (count > 0) {  // its own settings come first
    count = ::read(silent.get(), octets.data(), octets.size());
  }
  return count == 0;
}

// Nor may who connects and says nothing keep a descriptor for long.
TEST(AdsServer, ClosesAConnectionThatDoesNotBegin) {
  const TestServer server({.handshake_timeout = std::chrono::milliseconds(100)});
  EXPECT_TRUE(is_closed_after(server, ""));
}

TEST(AdsServer, ClosesAConnectionWithoutAStream) {
  const TestServer server({.idle_timeout = std::chrono::milliseconds(100)});
  EXPECT_TRUE(is_closed_after(server, kBeginHttp2));
}

// One that acknowledges no settings is not held to them by gRPC.
TEST(AdsServer, AConnectionHasTwiceItsStreamsAtMostWhateverItWasTold) {
  namespace http2 = support::http2;
  constexpr std::uint32_t kCalls = 30;
  TestServer server({.max_streams_per_connection = 10});
  const std::string headers =
      http2::header(":method", "POST") + http2::header(":scheme", "http") +
      http2::header(":authority", "x") + http2::header("te", "trailers") +
      http2::header("content-type", "application/grpc") +
      http2::header(":path",
                    "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
                    "DeltaAggregatedResources");
  std::string words = kBeginHttp2;
  for (std::uint32_t i = 0; i < kCalls; ++i) {
    words += http2::frame(http2::kHeaders, http2::kEndHeaders, 2 * i + 1, headers);
  }
  UniqueFd greedy = say(server, words);
  EXPECT_TRUE(
      support::wait_until([&] { return server.metrics().streams_refused.value() == kCalls - 20; }));
  EXPECT_EQ(server.server().streams(), 20U);
  const UniqueFd other = say(server, words);
  EXPECT_TRUE(support::wait_until([&] { return server.server().streams() == 40U; }));
  greedy.reset();
  EXPECT_TRUE(support::wait_until([&] { return server.server().streams() == 20U; }));
}

TEST(AdsServer, RefusesAnAddressItCannotListenOn) {
  const TestServer taken;
  TestLog log;
  MetricRegistry registry;
  XdsServerMetrics metrics(registry);
  const std::vector<ListenCase> cases = {
      {taken.address(), ErrorCode::kNetwork},
      {"192.0.2.1:5678", ErrorCode::kNetwork},
      {"localhost:5678", ErrorCode::kInvalidArgument},
      {"127.0.0.1", ErrorCode::kInvalidArgument},
      {"", ErrorCode::kInvalidArgument},
  };
  for (const ListenCase& row : cases) {
    const auto server = AdsServer::start(
        {.listen = row.listen}, [](const NodeInfo&) { return std::make_shared<ResourceSet>(); },
        log.logger(), metrics);
    ASSERT_FALSE(server) << row.listen;
    EXPECT_EQ(server.error().code, row.want) << row.listen;
    EXPECT_THAT(server.error().message, HasSubstr(row.listen));
  }
}

TEST(AdsClient, RefusesATargetThatWouldHaveToBeResolved) {
  TestLog log;
  MetricRegistry registry;
  XdsClientMetrics metrics(registry);
  SystemClock clock;
  for (const std::string target :
       {"localhost:5678", "dns:///cp.example.org:5678", "cp.example.org:5678", "ipv4:cp:5678",
        "ipv4:192.0.2.1", "ipv4:192.0.2.1:0", "ipv6:192.0.2.1:5678", "ipv4:[::1]:5678",
        "ipv4:192.0.2.1:1,192.0.2.2:1", "unix:", ""}) {
    AdsClient::Options options;
    options.targets = {target};
    const auto client = AdsClient::create(options, {}, clock, log.logger(), metrics);
    ASSERT_FALSE(client) << target;
    EXPECT_EQ(client.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(AdsClient::create({}, {}, clock, log.logger(), metrics));
}

TEST(AdsTargets, TheFirstIsGoneBackToWhenItIsThereAgain) {
  TestServer first;
  TestServer second;
  first.resources().apply({put("web", "first")}, {});
  second.resources().apply({put("web", "second")}, {});
  first.stop();
  ControlLoop loop;
  AdsClient::Options options;
  options.targets = {first.target(), second.target()};
  options.fail_back_after = std::chrono::milliseconds(20);
  TestClient client(loop, options, kType, kEverything);
  const auto is_told = [&](const std::string& text) {
    return loop.wait_for([&] { return client.held["default/web"] == value_of("web", text); });
  };
  ASSERT_TRUE(is_told("second"));
  // Looked at in vain, more than once: the one that serves is kept.
  const auto looked = [&] { return client.connections.size() > 1; };
  EXPECT_FALSE(loop.wait_for(looked, std::chrono::milliseconds(200)));
  first.start();
  ASSERT_TRUE(is_told("first"));
  ASSERT_TRUE(loop.wait_for([&] { return client.connections.size() == 3; }));
  EXPECT_THAT(client.connections, ElementsAre(true, false, true));
  first.stop();
  ASSERT_TRUE(is_told("second")) << "and over again";
}

TEST(AdsTargets, AClientMayEndWhileItLooks) {
  TestServer serving;
  serving.resources().apply({put("web", "1")}, {});
  for (int i = 0; i < 10; ++i) {
    ControlLoop loop;
    AdsClient::Options options;
    options.targets = {"ipv4:127.0.0.1:1", serving.target()};
    options.fail_back_after = std::chrono::milliseconds(1);
    const TestClient client(loop, options, kType, kEverything);
    ASSERT_TRUE(loop.wait_for([&] { return !client.held.empty(); }));
    const auto never = [] { return false; };
    EXPECT_FALSE(loop.wait_for(never, std::chrono::milliseconds(i)));
  }
}

}  // namespace
}  // namespace meshdns::discovery
