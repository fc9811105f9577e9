// The client's rules, with the test as server and as clock.
#include "discovery/xds/ads_client.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "discovery/xds/ads_transport.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/xds/fake_transport.h"
#include "tests/support/manual_clock.h"

namespace meshdns::discovery {
namespace {

using namespace std::chrono_literals;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryRequest;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const std::string kService{kServiceTypeUrl};
const std::string kEndpoints{kClusterLoadAssignmentTypeUrl};

class AdsClientRules : public testing::Test {
 protected:
  AdsClientRules() {
    options.targets = {"ipv4:192.0.2.1:5678"};
    options.node.id = "default.test";
    options.node.metadata = {{"mesh", "default"}};
    options.backoff = {.initial = 100ms, .maximum = 400ms, .multiplier = 2, .jitter = 0};
  }

  void make() {
    client = std::make_unique<AdsClient>(options, std::make_unique<FakeTransport>(world), clock,
                                         logger, metrics);
    client->observe_connection([this](bool connected) { connections.push_back(connected); });
  }
  void subscribe(const std::string& type_url, const AdsClient::Interest& interest) {
    client->subscribe(type_url, interest, [this](const ResponseView& view) { return take(view); });
  }
  // The usual: one type, everything, started.
  void start(const AdsClient::Interest& interest = {.wildcard = true, .names = {}},
             const std::string& type_url = kService) {
    make();
    subscribe(type_url, interest);
    client->start();
  }

  FakeStream& stream() { return world.streams.back(); }

  DeltaDiscoveryRequest delta_request(std::size_t index) {
    DeltaDiscoveryRequest request;
    EXPECT_TRUE(request.ParseFromString(stream().requests.at(index)));
    return request;
  }
  DeltaDiscoveryRequest last_delta_request() { return delta_request(stream().requests.size() - 1); }
  DiscoveryRequest last_sotw_request() {
    DiscoveryRequest request;
    EXPECT_TRUE(request.ParseFromString(stream().requests.back()));
    return request;
  }

  static DecodedResource resource(const std::string& name, const std::string& version,
                                  const std::string& value = "good",
                                  const std::string& type_url = kService) {
    return {name, version, type_url, value, true};
  }
  void respond(std::vector<DecodedResource> resources, std::vector<std::string> removed = {},
               const std::string& type_url = kService) {
    DecodedResponse response;
    response.type_url = type_url;
    response.version = "v" + std::to_string(++responses);
    response.nonce = "n" + std::to_string(responses);
    response.resources = std::move(resources);
    response.removed = std::move(removed);
    auto on_response = stream().events.on_response;
    on_response(std::move(response));
  }
  void end(const AdsCallEnd& how = {.unimplemented = false, .reason = "gone"}) {
    auto on_end = stream().events.on_end;
    on_end(how);
  }
  void ring() {
    auto timer = std::exchange(world.timer, nullptr);
    ASSERT_TRUE(timer);
    timer();
  }

  FakeWorld world;  // outlives the client
  AdsClient::Options options;
  support::ManualClock clock;
  Logger logger{"xds", std::make_shared<spdlog::sinks::null_sink_mt>()};
  MetricRegistry registry;
  XdsClientMetrics metrics{registry};
  std::unique_ptr<AdsClient> client;
  std::vector<bool> connections;
  int responses = 0;

  // What the subscriber saw.
  std::vector<std::string> taken;
  std::vector<std::string> removed_names;
  int views = 0;
  bool last_full_state = false;
  std::function<void()> on_take = [] {};

 private:
  std::vector<Rejection> take(const ResponseView& view) {
    ++views;
    last_full_state = view.full_state;
    std::vector<Rejection> rejections;
    for (const ResponseItem& item : view.resources) {
      if (item.value == "bad") {
        rejections.push_back({item.name, "value is bad"});
      } else {
        taken.push_back(item.name);
      }
    }
    removed_names.insert(removed_names.end(), view.removed.begin(), view.removed.end());
    on_take();
    return rejections;
  }
};

TEST_F(AdsClientRules, TheFirstRequestOfAStreamCarriesTheNodeAndTheOthersDoNot) {
  make();
  subscribe(kService, {.wildcard = true, .names = {}});
  subscribe(kEndpoints, {.wildcard = false, .names = {"default/web"}});
  client->start();
  ASSERT_THAT(stream().requests, SizeIs(2));
  const DeltaDiscoveryRequest first = delta_request(0);
  EXPECT_EQ(first.type_url(), kEndpoints) << "endpoints stand before services";
  EXPECT_EQ(first.node().id(), "default.test");
  EXPECT_EQ(first.node().metadata().fields().at("mesh").string_value(), "default");
  EXPECT_THAT(first.resource_names_subscribe(), ElementsAre("default/web"));
  const DeltaDiscoveryRequest second = delta_request(1);
  EXPECT_FALSE(second.has_node());
  EXPECT_THAT(second.resource_names_subscribe(), IsEmpty()) << "the wildcard every server knows";
  EXPECT_EQ(stream().reads, 1);
}

// What is held may be megabytes to tell, and a server that is not there is tried for hours.
TEST_F(AdsClientRules, ARequestIsMadeWhenThereIsAStreamForIt) {
  world.is_reached = false;
  make();
  subscribe(kEndpoints, {.wildcard = false, .names = {"default/web"}});
  client->start();
  end();
  ring();
  ASSERT_THAT(world.streams, SizeIs(2));
  // Meanwhile what is asked for may change.
  subscribe(kService, {.wildcard = true, .names = {}});
  client->set_interest(kEndpoints, {.wildcard = false, .names = {"default/api"}});
  EXPECT_THAT(stream().requests, IsEmpty());
  stream().stand();
  ASSERT_THAT(stream().requests, SizeIs(2));
  EXPECT_TRUE(delta_request(0).has_node());
  EXPECT_THAT(delta_request(0).resource_names_subscribe(), ElementsAre("default/api"));
  EXPECT_EQ(delta_request(1).type_url(), kService);
  client->set_interest(kEndpoints, {.wildcard = false, .names = {"default/api", "default/web"}});
  EXPECT_THAT(last_delta_request().resource_names_subscribe(), ElementsAre("default/web"));
}

TEST_F(AdsClientRules, AskingForNothingSendsNothingUntilThereIsAName) {
  start({.wildcard = false, .names = {}}, kEndpoints);
  EXPECT_THAT(stream().requests, IsEmpty());
  client->set_interest(kEndpoints, {.wildcard = false, .names = {"default/web"}});
  ASSERT_THAT(stream().requests, SizeIs(1));
  EXPECT_TRUE(delta_request(0).has_node());
}

TEST_F(AdsClientRules, AWildcardOfPartsIsAStar) {
  start({.wildcard = true, .names = {}}, kEndpoints);
  EXPECT_THAT(delta_request(0).resource_names_subscribe(), ElementsAre("*"));
}

TEST_F(AdsClientRules, AcksAfterItHasTakenAndReadsOn) {
  start();
  respond({resource("default/web", "1")});
  EXPECT_THAT(taken, ElementsAre("default/web"));
  const DeltaDiscoveryRequest ack = last_delta_request();
  EXPECT_EQ(ack.response_nonce(), "n1");
  EXPECT_FALSE(ack.has_error_detail());
  EXPECT_EQ(stream().reads, 2);
  EXPECT_THAT(connections, ElementsAre(true));
  EXPECT_EQ(client->last_response_at(), clock.now());
}

TEST_F(AdsClientRules, ReconnectingSaysWhatItHolds) {
  start();
  respond({resource("a", "1"), resource("b", "1"), resource("c", "1")});
  respond({resource("b", "2", "bad"), resource("d", "1", "bad")}, {"c"});
  EXPECT_THAT(last_delta_request().error_detail().message(),
              HasSubstr("b: value is bad; d: value is bad"));
  EXPECT_EQ(last_delta_request().error_detail().code(), 3);
  end();
  ring();
  const auto versions = delta_request(0).initial_resource_versions();
  EXPECT_THAT((std::map<std::string, std::string>{versions.begin(), versions.end()}),
              UnorderedElementsAre(Pair("a", "1"), Pair("b", "1")))
      << "b in its last good form";
  EXPECT_TRUE(delta_request(0).has_node());
  EXPECT_THAT(delta_request(0).response_nonce(), IsEmpty());
}

struct FaultCase {
  std::string name;
  std::vector<DecodedResource> resources;
  std::vector<std::string> removed;
  std::vector<std::string> want_taken;
  std::string want_error;  // empty: an ACK
};

TEST_F(AdsClientRules, RefusesWhatNoServerMayDoAndTakesTheRest) {
  DecodedResource without_body = resource("a", "1");
  without_body.has_body = false;
  DecodedResource heartbeat = resource("held", "1");
  heartbeat.has_body = false;
  DecodedResource damaged{.name = "a", .version = {}, .type_url = {}, .value = {}};
  damaged.is_damaged = true;
  const std::vector<FaultCase> cases = {
      {"a name twice",
       {resource("a", "1"), resource("b", "1"), resource("a", "2")},
       {},
       {"b"},
       "a: stands more than once in one response"},
      {"sent and removed",
       {resource("a", "1"), resource("b", "1")},
       {"a"},
       {"b"},
       "a: is both sent and removed"},
      {"another type",
       {resource("a", "1", "good", kEndpoints), resource("b", "1")},
       {},
       {"b"},
       "a: is a " + kEndpoints},
      {"no body", {without_body, resource("b", "1")}, {}, {"b"}, "a: has no body"},
      {"damaged", {damaged, resource("b", "1")}, {}, {"b"}, "a: is damaged"},
      {"a heartbeat", {heartbeat}, {}, {}, ""},
      {"nothing at all", {}, {}, {}, ""},
  };
  start();
  respond({resource("held", "1")});
  for (const FaultCase& row : cases) {
    taken.clear();
    removed_names.clear();
    respond(row.resources, row.removed);
    EXPECT_EQ(taken, row.want_taken) << row.name;
    EXPECT_THAT(removed_names, IsEmpty()) << row.name;
    const DeltaDiscoveryRequest reply = last_delta_request();
    EXPECT_EQ(reply.has_error_detail(), !row.want_error.empty()) << row.name;
    EXPECT_THAT(reply.error_detail().message(), HasSubstr(row.want_error)) << row.name;
  }
}

TEST_F(AdsClientRules, TheSameRefusalOfTheSameAgainWaitsLongerAndLonger) {
  options.sotw_only = true;
  start();
  const auto repeat = [&](const std::string& version) {
    DecodedResponse response{.type_url = kService,
                             .version = version,
                             .nonce = "n" + std::to_string(++responses),
                             .resources = {resource("web", "", "bad")},
                             .removed = {}};
    stream().timer = nullptr;
    stream().requests.clear();
    const auto on_response = stream().events.on_response;
    on_response(std::move(response));
  };
  repeat("1");
  EXPECT_EQ(last_sotw_request().response_nonce(), "n1") << "the first is sent at once";
  EXPECT_FALSE(stream().timer);
  std::chrono::milliseconds waited{0};
  for (int times = 0; times < 8; ++times) {
    repeat("1");
    EXPECT_TRUE(stream().requests.empty());
    ASSERT_TRUE(stream().timer);
    EXPECT_GE(stream().delay, std::min(waited, std::chrono::milliseconds(4000)));
    EXPECT_LE(stream().delay, std::chrono::milliseconds(6000));
    waited = stream().delay;
    clock.advance(waited);
    const auto timer = stream().timer;
    timer();
    EXPECT_EQ(last_sotw_request().response_nonce(), "n" + std::to_string(responses));
    EXPECT_FALSE(last_sotw_request().error_detail().message().empty());
  }
  EXPECT_EQ(metrics.nacks.of(kService).value(), 9U);
  repeat("2");
  EXPECT_FALSE(stream().requests.empty()) << "of another version";
  respond({resource("web", "")});
  repeat("2");
  EXPECT_FALSE(stream().requests.empty()) << "it was good in between";
}

TEST_F(AdsClientRules, ALateRefusalGoesBeforeWhatElseIsSaidOfItsTypeAndNoOtherTypeWaits) {
  options.sotw_only = true;
  start({.wildcard = false, .names = {"web"}}, kEndpoints);
  subscribe(kService, {.wildcard = true, .names = {}});
  const auto refuse = [&] {
    DecodedResponse response{.type_url = kEndpoints,
                             .version = "1",
                             .nonce = "n" + std::to_string(++responses),
                             .resources = {resource("web", "", "bad", kEndpoints)},
                             .removed = {}};
    const auto on_response = stream().events.on_response;
    on_response(std::move(response));
  };
  const auto nonces = [&] {
    std::vector<std::string> all;
    for (const std::string& octets : stream().requests) {
      DiscoveryRequest request;
      EXPECT_TRUE(request.ParseFromString(octets));
      all.push_back(request.response_nonce() + (request.has_error_detail() ? " refused" : ""));
    }
    stream().requests.clear();
    return all;
  };
  refuse();
  refuse();
  EXPECT_THAT(nonces(), ElementsAre("", "", "n1 refused"));
  respond({resource("a", "")});
  EXPECT_THAT(nonces(), ElementsAre("n3")) << "services";
  refuse();
  EXPECT_THAT(nonces(), ElementsAre("n2 refused"));
  client->set_interest(kEndpoints, {.wildcard = false, .names = {"web", "db"}});
  EXPECT_THAT(nonces(), ElementsAre("n4 refused", "n4"));
  // A stream that ends takes what was late along.
  refuse();
  end();
  ring();
  EXPECT_THAT(nonces(), ElementsAre("", ""));
  refuse();
  EXPECT_THAT(nonces(), ElementsAre("n6 refused"));
}

class AdsClientPause : public AdsClientRules {
 protected:
  AdsClientPause() { options.ack_pause = 5ms; }

  // Of each request since the last call; and whether it is a refusal.
  std::vector<std::string> nonces() {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < stream().requests.size(); ++i) {
      const DeltaDiscoveryRequest request = delta_request(i);
      all.push_back(request.response_nonce() + (request.has_error_detail() ? " refused" : ""));
    }
    stream().requests.clear();
    return all;
  }
  void wait_for_timer() {
    ASSERT_TRUE(stream().timer);
    clock.advance(stream().delay);
    const auto timer = std::exchange(stream().timer, nullptr);
    timer();
  }
};

TEST_F(AdsClientPause, AcksOfSmallResponsesComeAPauseApartAndTheFirstAfterQuietAtOnce) {
  start();
  respond({resource("a", "1")});
  EXPECT_THAT(nonces(), ElementsAre("", "n1"));
  clock.advance(2ms);
  respond({resource("b", "1")});
  EXPECT_THAT(taken, ElementsAre("a", "b")) << "it is taken at once";
  EXPECT_EQ(stream().reads, 3);
  EXPECT_THAT(nonces(), IsEmpty());
  EXPECT_EQ(stream().delay, 3ms);
  wait_for_timer();
  EXPECT_THAT(nonces(), ElementsAre("n2"));
  clock.advance(5ms);
  respond({}, {"a"});
  EXPECT_THAT(nonces(), ElementsAre("n3"));
}

TEST_F(AdsClientPause, ALargeResponseAndARefusalAreAnsweredAtOnce) {
  start();
  respond({resource("a", "1")});
  std::vector<DecodedResource> many;
  for (int i = 0; i < 300; ++i) {
    many.push_back(resource("name-" + std::to_string(i), "1"));
  }
  respond(many);
  EXPECT_THAT(nonces(), ElementsAre("", "n1", "n2"));
  respond({resource("a", "2", "bad")});
  EXPECT_THAT(nonces(), ElementsAre("n3 refused"));
}

TEST_F(AdsClientPause, AServerThatDoesNotWaitGetsEachAckByTheNextResponse) {
  start();
  for (int i = 0; i < 4; ++i) {
    respond({resource("a", std::to_string(i))});
  }
  EXPECT_THAT(nonces(), ElementsAre("", "n1", "n2", "n3"));
  wait_for_timer();
  EXPECT_THAT(nonces(), ElementsAre("n4"));
}

TEST_F(AdsClientPause, EachTypeAndEachStreamHasItsOwn) {
  start();
  subscribe(kEndpoints, {.wildcard = true, .names = {}});
  respond({resource("a", "1")});
  respond({resource("a", "1", "good", kEndpoints)}, {}, kEndpoints);
  EXPECT_THAT(nonces(), ElementsAre("", "", "n1", "n2"));
  respond({resource("a", "2")});
  end();
  ring();
  respond({resource("a", "3")});
  EXPECT_THAT(nonces(), ElementsAre("", "", "n4"));
}

TEST_F(AdsClientRules, ANackIsPrintableAndBounded) {
  start();
  std::vector<DecodedResource> many;
  for (int i = 0; i < 10'000; ++i) {
    many.push_back(resource("name\xff\n" + std::to_string(i), "1", "bad"));
  }
  respond(many);
  const std::string text = last_delta_request().error_detail().message();
  EXPECT_LT(text.size(), 9000U);
  EXPECT_THAT(text, HasSubstr("name\?\?0: value is bad"));
  EXPECT_THAT(text, HasSubstr("more"));
  EXPECT_EQ(metrics.rejected_resources.of(kService).value(), 10'000U);
}

TEST_F(AdsClientRules, IgnoresATypeItDidNotAskFor) {
  start();
  const std::size_t before = stream().requests.size();
  respond({resource("x", "1")}, {}, kEndpoints);
  EXPECT_THAT(stream().requests, SizeIs(before)) << "an answer would be a subscription";
  EXPECT_EQ(views, 0);
  EXPECT_EQ(stream().reads, 2);
}

TEST_F(AdsClientRules, DeliversOnlyTheNamesItAskedForLast) {
  start({.wildcard = false, .names = {"a", "b"}}, kEndpoints);
  client->set_interest(kEndpoints, {.wildcard = false, .names = {"b", "c"}});
  const DeltaDiscoveryRequest change = last_delta_request();
  EXPECT_THAT(change.resource_names_subscribe(), ElementsAre("c"));
  EXPECT_THAT(change.resource_names_unsubscribe(), ElementsAre("a"));
  EXPECT_THAT(change.response_nonce(), IsEmpty());
  // Sent before the server saw the change.
  respond({resource("a", "1", "good", kEndpoints), resource("b", "1", "good", kEndpoints)}, {"x"},
          kEndpoints);
  EXPECT_THAT(taken, ElementsAre("b"));
  EXPECT_THAT(removed_names, IsEmpty());
  EXPECT_FALSE(last_delta_request().has_error_detail());
}

TEST_F(AdsClientRules, BacksOffLongerUntilAResponseProvesTheServer) {
  start();
  for (int i = 0; i < 4; ++i) {
    end();
    ring();
  }
  EXPECT_THAT(world.delays, ElementsAre(100ms, 200ms, 400ms, 400ms));
  EXPECT_THAT(connections, IsEmpty());
  respond({});
  end();
  EXPECT_EQ(world.delays.back(), 100ms);
  EXPECT_THAT(connections, ElementsAre(true, false));
  EXPECT_EQ(metrics.connection_attempts.value(), 5U);
}

TEST_F(AdsClientRules, TriesEachTargetOnceBeforeItWaits) {
  options.targets = {"unix:/one", "unix:/two"};
  start();
  end();
  ring();
  end();
  ring();
  EXPECT_THAT(world.delays, ElementsAre(0ms, 100ms));
  ASSERT_THAT(world.streams, SizeIs(3));
  EXPECT_EQ(world.streams[1].target, "unix:/two");
  EXPECT_EQ(world.streams[2].target, "unix:/one");
}

TEST_F(AdsClientRules, AServerThatSaysNothingIsPassedOverForTheNextOne) {
  options.targets = {"unix:/silent", "unix:/two"};
  start();
  EXPECT_EQ(stream().delay, options.first_response_timeout);
  const auto silent = std::exchange(stream().timer, nullptr);
  ASSERT_TRUE(silent);
  silent();
  EXPECT_FALSE(world.streams[0].open);
  ring();
  EXPECT_EQ(stream().target, "unix:/two");
  respond({resource("web", "1")});
  ASSERT_TRUE(stream().timer);
  stream().timer();
  EXPECT_TRUE(stream().open) << "it has spoken";
  EXPECT_TRUE(client->connected());
}

TEST_F(AdsClientRules, ASilentServerIsWaitedForWhereThereIsNoOther) {
  start();
  EXPECT_FALSE(stream().timer);
}

TEST_F(AdsClientRules, ANewTargetIsTakenAtTheNextConnection) {
  options.targets = {"unix:/one", "unix:/two"};
  start();
  end();
  EXPECT_FALSE(client->set_targets({}));
  EXPECT_FALSE(client->set_targets({"dns:cp.example.org:5678"}));
  ring();
  EXPECT_EQ(stream().target, "unix:/two");
  ASSERT_TRUE(client->set_targets({"unix:/three"}));
  EXPECT_TRUE(stream().open);
  end();
  ring();
  EXPECT_EQ(stream().target, "unix:/three");
  EXPECT_THAT(stream().requests, SizeIs(1));
}

TEST_F(AdsClientRules, TargetsThatBecomeTheOldOnesAgainAreTheOldOnes) {
  options.targets = {"unix:/one"};
  start();
  ASSERT_TRUE(client->set_targets({"unix:/two"}));
  ASSERT_TRUE(client->set_targets({"unix:/one"}));
  end();
  ring();
  EXPECT_EQ(stream().target, "unix:/one");
}

TEST_F(AdsClientRules, FallsBackToStateOfTheWorldAtOnceAndRemembers) {
  start();
  respond({});
  end();
  ring();
  end({.unimplemented = true, .reason = "unknown method"});
  EXPECT_EQ(stream().variant, XdsVariant::kSotw);
  EXPECT_THAT(world.delays, SizeIs(1)) << "without waiting";
  end();
  ring();
  EXPECT_EQ(stream().variant, XdsVariant::kSotw);
  // In state of the world UNIMPLEMENTED is a failure like any other.
  end({.unimplemented = true, .reason = "unknown method"});
  EXPECT_THAT(world.delays, SizeIs(3));
}

// A proxy that does not know its backend yet says so to every method.
TEST_F(AdsClientRules, AServerThatKnewNothingIsAskedForDeltaAgain) {
  start();
  end({.unimplemented = true, .reason = "unknown method"});
  EXPECT_EQ(stream().variant, XdsVariant::kSotw);
  end({.unimplemented = true, .reason = "unknown method"});
  EXPECT_THAT(world.delays, SizeIs(1)) << "not at once";
  ring();
  EXPECT_EQ(stream().variant, XdsVariant::kDelta);
}

class AdsClientClaims : public AdsClientRules {
 protected:
  static constexpr int kHeld = 45;

  // Of which so many are more than a server takes that keeps to gRPC's stock limit.
  static std::string name(int i) { return std::string(100'000, 'n') + std::to_string(i); }
  // The server tells of all but the first `gone`.
  void tell(int gone = 0) {
    std::vector<DecodedResource> all;
    for (int i = gone; i < kHeld; ++i) {
      all.push_back(resource(name(i), "1"));
    }
    respond(std::move(all));
  }
  // A stream that says what it holds, and is refused for that.
  void be_refused() {
    start();
    tell();
    end();
    ring();
    ASSERT_EQ(delta_request(0).initial_resource_versions_size(), kHeld);
    end({.exhausted = true, .reason = "Received message larger than max"});
  }
};

TEST_F(AdsClientClaims, AServerThatRefusesThemIsAskedWithoutThemAtOnceAndFromThenOn) {
  be_refused();
  EXPECT_THAT(world.delays, SizeIs(1)) << "without waiting";
  EXPECT_EQ(stream().variant, XdsVariant::kDelta);
  EXPECT_EQ(delta_request(0).initial_resource_versions_size(), 0);
  end();
  ring();
  EXPECT_EQ(delta_request(0).initial_resource_versions_size(), 0);
  // What it then refuses is a failure like any other.
  end({.exhausted = true, .reason = "too many streams"});
  EXPECT_THAT(world.delays, SizeIs(3));
}

TEST_F(AdsClientClaims, WhatIsNotToldAnewWithinAMinuteIsGone) {
  be_refused();
  tell(2);
  clock.advance(40s);
  respond({resource(name(1), "2")});
  clock.advance(40s);
  ASSERT_TRUE(stream().timer);
  std::exchange(stream().timer, nullptr)();
  EXPECT_THAT(removed_names, IsEmpty()) << "more was told meanwhile";
  clock.advance(20s);
  ASSERT_TRUE(stream().timer);
  std::exchange(stream().timer, nullptr)();
  EXPECT_THAT(removed_names, ElementsAre(name(0)));
}

TEST_F(AdsClientClaims, WhatIsToldAnewAndRefusedIsNotGone) {
  be_refused();
  tell(1);
  respond({resource(name(0), "2", "bad")});
  clock.advance(60s);
  ASSERT_TRUE(stream().timer);
  std::exchange(stream().timer, nullptr)();
  EXPECT_THAT(removed_names, IsEmpty());
}

TEST_F(AdsClientClaims, WhatNobodyAsksForAnyMoreIsNotGone) {
  be_refused();
  tell(1);
  client->set_interest(kService, {.wildcard = false, .names = {name(1)}});
  const int views_before = views;
  clock.advance(60s);
  ASSERT_TRUE(stream().timer);
  std::exchange(stream().timer, nullptr)();
  EXPECT_EQ(views, views_before);
}

TEST_F(AdsClientClaims, ALossMeanwhileTakesNothingAway) {
  be_refused();
  tell(2);
  end();
  ring();
  EXPECT_THAT(removed_names, IsEmpty());
  tell(1);
  clock.advance(60s);
  ASSERT_TRUE(stream().timer);
  std::exchange(stream().timer, nullptr)();
  EXPECT_THAT(removed_names, ElementsAre(name(0)));
}

TEST_F(AdsClientRules, AServerThatIsExhaustedBySomethingElseIsToldWhatIsHeld) {
  start();
  respond({resource("a", "1")});
  end();
  ring();
  end({.exhausted = true, .reason = "too many streams"});
  EXPECT_THAT(world.delays, SizeIs(2)) << "a loss like any other";
  ring();
  EXPECT_EQ(delta_request(0).initial_resource_versions_size(), 1);
}

TEST_F(AdsClientRules, NamesOfMoreThanAMebibyteAreAskedForInSeveralRequests) {
  AdsClient::Interest interest;
  for (int i = 0; i < 25; ++i) {
    interest.names.push_back(std::string(100'000, 'n') + std::to_string(i));
  }
  start(interest, kEndpoints);
  ASSERT_THAT(stream().requests, SizeIs(3));
  int names = 0;
  for (std::size_t i = 0; i < stream().requests.size(); ++i) {
    names += delta_request(i).resource_names_subscribe_size();
    EXPECT_EQ(delta_request(i).type_url(), kEndpoints);
    EXPECT_EQ(delta_request(i).has_node(), i == 0);
    EXPECT_LE(stream().requests[i].size(), 2UL << 20U);
  }
  EXPECT_EQ(names, 25);
  client->set_interest(kEndpoints, {.wildcard = false, .names = {}});
  EXPECT_THAT(stream().requests, SizeIs(6));
}

TEST_F(AdsClientRules, AResponseThatDoesNotDecodeEndsTheStream) {
  start();
  auto on_response = stream().events.on_response;
  on_response(fail(ErrorCode::kInvalidArgument, "not a DeltaDiscoveryResponse"));
  EXPECT_FALSE(world.streams.front().open);
  EXPECT_THAT(world.delays, ElementsAre(100ms));
}

TEST_F(AdsClientRules, SotwFullStateSaysWhatIsGoneByItsAbsence) {
  options.sotw_only = true;
  start();
  respond({resource("a", ""), resource("b", "")});
  EXPECT_TRUE(last_full_state);
  DiscoveryRequest reply = last_sotw_request();
  EXPECT_EQ(reply.version_info(), "v1");
  EXPECT_EQ(reply.response_nonce(), "n1");
  EXPECT_THAT(reply.resource_names(), IsEmpty());

  respond({resource("a", ""), resource("a", ""), resource("b", "")});
  EXPECT_FALSE(last_full_state) << "what cannot be read whole removes nothing";
  reply = last_sotw_request();
  EXPECT_TRUE(reply.has_error_detail());
  EXPECT_EQ(reply.version_info(), "v1") << "the last one taken whole";
  EXPECT_EQ(reply.response_nonce(), "n2");
}

TEST_F(AdsClientRules, SotwPartsAreNeverFullState) {
  options.sotw_only = true;
  start({.wildcard = false, .names = {"a"}}, kEndpoints);
  EXPECT_THAT(last_sotw_request().resource_names(), ElementsAre("a"));
  respond({resource("a", "", "good", kEndpoints)}, {}, kEndpoints);
  EXPECT_FALSE(last_full_state);
  EXPECT_THAT(last_sotw_request().resource_names(), ElementsAre("a")) << "an ACK repeats the names";
}

TEST_F(AdsClientRules, ASotwStreamBeginsWithoutVersionAndNonce) {
  options.sotw_only = true;
  start();
  respond({resource("a", "")});
  end();
  ring();
  EXPECT_THAT(last_sotw_request().version_info(), IsEmpty());
  EXPECT_THAT(last_sotw_request().response_nonce(), IsEmpty());
  EXPECT_TRUE(last_sotw_request().has_node());
}

// Else the server would have no reason to say that "b" and "c" are gone.
TEST_F(AdsClientRules, ADeltaStreamAfterOneOfStateOfTheWorldSaysWhatIsHeld) {
  options.targets = {"unix:/one", "unix:/two"};
  start();
  respond({resource("a", "1"), resource("c", "1")});
  end();
  ring();
  end({.unimplemented = true, .reason = "unknown method"});
  ASSERT_EQ(stream().variant, XdsVariant::kSotw);
  respond({resource("a", ""), resource("b", ""), resource("d", "", "bad")});
  EXPECT_TRUE(last_sotw_request().has_error_detail()) << "so that nothing is known to be gone";
  end();
  ring();
  end();
  ring();
  ASSERT_EQ(stream().target, "unix:/two");
  ASSERT_EQ(stream().variant, XdsVariant::kDelta);
  const auto versions = delta_request(0).initial_resource_versions();
  EXPECT_THAT((std::map<std::string, std::string>{versions.begin(), versions.end()}),
              UnorderedElementsAre(Pair("a", ""), Pair("b", ""), Pair("c", "1")));
  respond({resource("a", "2")}, {"b", "c"});
  EXPECT_THAT(removed_names, UnorderedElementsAre("b", "c"));
}

TEST_F(AdsClientRules, WhatAFullStateDoesNotListIsNotHeldAnyMore) {
  options.targets = {"unix:/one", "unix:/two"};
  start();
  end({.unimplemented = true, .reason = "unknown method"});
  respond({resource("a", ""), resource("b", "")});
  respond({resource("b", "")});
  end();
  ring();
  end();
  ring();
  ASSERT_EQ(stream().variant, XdsVariant::kDelta);
  const auto versions = delta_request(0).initial_resource_versions();
  EXPECT_THAT((std::map<std::string, std::string>{versions.begin(), versions.end()}),
              UnorderedElementsAre(Pair("b", "")));
}

TEST_F(AdsClientRules, InStateOfTheWorldAResourceWithoutABodyIsAFault) {
  options.sotw_only = true;
  start();
  respond({resource("a", "")});
  DecodedResource without_body = resource("a", "");
  without_body.has_body = false;
  respond({without_body});
  EXPECT_FALSE(last_full_state);
  EXPECT_THAT(last_sotw_request().error_detail().message(), HasSubstr("a: has no body"));
}

struct InterestCase {
  AdsClient::Interest from;
  AdsClient::Interest to;
  std::vector<std::vector<std::string>> want_sotw;  // names of each request
  std::vector<std::string> want_subscribe;
  std::vector<std::string> want_unsubscribe;
};

TEST_F(AdsClientRules, AChangedInterestIsSaidInTheWordsOfTheVariant) {
  const AdsClient::Interest everything{.wildcard = true, .names = {}};
  const AdsClient::Interest nothing{.wildcard = false, .names = {}};
  const AdsClient::Interest a{.wildcard = false, .names = {"a"}};
  const AdsClient::Interest everything_and_a{.wildcard = true, .names = {"a"}};
  const std::vector<InterestCase> cases = {
      {everything, a, {{"a"}}, {"a"}, {"*"}},
      {everything, nothing, {{"*"}, {}}, {}, {"*"}},
      {everything, everything_and_a, {{"*", "a"}}, {"a"}, {}},
      {everything_and_a, everything, {{"*"}}, {}, {"a"}},
      {a, everything, {{"*"}}, {"*"}, {"a"}},
      {a, nothing, {{}}, {}, {"a"}},
  };
  for (const InterestCase& row : cases) {
    for (const bool sotw : {true, false}) {
      options.sotw_only = sotw;
      start(row.from);
      stream().requests.clear();
      client->set_interest(kService, row.to);
      if (!sotw) {
        ASSERT_THAT(stream().requests, SizeIs(1));
        EXPECT_THAT(last_delta_request().resource_names_subscribe(),
                    testing::ElementsAreArray(row.want_subscribe));
        EXPECT_THAT(last_delta_request().resource_names_unsubscribe(),
                    testing::ElementsAreArray(row.want_unsubscribe));
        continue;
      }
      std::vector<std::vector<std::string>> names;
      for (const std::string& bytes : stream().requests) {
        DiscoveryRequest request;
        ASSERT_TRUE(request.ParseFromString(bytes));
        names.emplace_back(request.resource_names().begin(), request.resource_names().end());
      }
      EXPECT_EQ(names, row.want_sotw);
    }
  }
}

TEST_F(AdsClientRules, TheSameInterestAgainIsNotSaid) {
  start({.wildcard = false, .names = {"a", "b"}});
  client->set_interest(kService, {.wildcard = false, .names = {"b", "a", "a"}});
  EXPECT_THAT(stream().requests, SizeIs(1));
}

TEST_F(AdsClientRules, WithoutInterestNothingIsDelivered) {
  options.sotw_only = true;
  start();
  respond({resource("a", "")});
  client->set_interest(kService, {});
  respond({});
  EXPECT_EQ(views, 1) << "an empty full state here would remove everything";
}

TEST_F(AdsClientRules, StoppingInsideACallbackIsTheEnd) {
  start();
  on_take = [this] { client->stop(); };
  respond({resource("a", "1")});
  EXPECT_FALSE(world.streams.front().open);
  EXPECT_FALSE(client->connected());
  EXPECT_THAT(connections, IsEmpty());
  EXPECT_THAT(world.delays, IsEmpty());
}

TEST_F(AdsClientRules, StoppedWhileItWaitsItNeverConnectsAgain) {
  start();
  end();
  client->stop();
  EXPECT_FALSE(world.timer);
  client->start();
  EXPECT_THAT(world.streams, SizeIs(2)) << "started again it does";
}

class AdsClientTargets : public AdsClientRules {
 protected:
  AdsClientTargets() {
    options.targets = {"ipv4:192.0.2.1:5678#one.example", "ipv6:[2001:db8::2]:5678",
                       "unix:/three#3"};
    options.authority = "common.example";
    options.fail_back_after = 1000ms;
  }
  void answer_probe(bool reached) {
    auto answer = std::exchange(world.answer_probe, nullptr);
    ASSERT_TRUE(answer);
    answer(reached);
  }
};

TEST_F(AdsClientTargets, EachIsCalledByItsOwnNameOrTheCommonOne) {
  start();
  EXPECT_EQ(stream().target, "ipv4:192.0.2.1:5678");
  EXPECT_EQ(stream().peer.authority, "one.example");
  end();
  ring();
  EXPECT_EQ(stream().target, "ipv6:[2001:db8::2]:5678");
  EXPECT_EQ(stream().peer.authority, "common.example");
  end();
  ring();
  EXPECT_EQ(stream().target, "unix:/three#3") << "a path may have a # in it";
}

TEST_F(AdsClientTargets, TheFirstIsGoneBackToOnceItCanBeReached) {
  start();
  end();
  ring();
  respond({});
  ring();
  EXPECT_EQ(world.probed, "ipv4:192.0.2.1:5678");
  EXPECT_TRUE(stream().open) << "the one that serves is kept until then";
  answer_probe(false);
  EXPECT_LE(world.delays.back(), 1200ms) << "looking costs next to nothing";
  ring();
  answer_probe(true);
  EXPECT_EQ(stream().target, "ipv4:192.0.2.1:5678");
  EXPECT_THAT(world.streams, SizeIs(3));
  respond({});
  EXPECT_THAT(connections, ElementsAre(true, false, true));
  EXPECT_FALSE(world.timer) << "there is nothing to go back to";
}

TEST_F(AdsClientTargets, OneThatIsReachedAndDoesNotServeIsTriedLessAndLess) {
  start();
  end();
  ring();
  respond({});
  for (const auto delay : {1000ms, 2000ms, 4000ms}) {
    EXPECT_GE(world.delays.back(), delay * 8 / 10);
    EXPECT_LE(world.delays.back(), delay * 12 / 10);
    ring();
    answer_probe(true);
    EXPECT_EQ(stream().target, "ipv4:192.0.2.1:5678");
    end();
    ring();
    EXPECT_EQ(stream().target, "ipv6:[2001:db8::2]:5678") << "at once";
    EXPECT_EQ(world.delays.back(), 0ms);
    respond({});
  }
}

TEST_F(AdsClientTargets, ALossEndsTheLooking) {
  start();
  end();
  ring();
  respond({});
  ring();
  ASSERT_NE(world.probed, "");
  end();
  EXPECT_EQ(world.probed, "");
}

TEST_F(AdsClientRules, CredentialsAreAskedForBeforeEachAttempt) {
  int asked = 0;
  options.credentials = [&asked]() -> Result<AdsCredentials> {
    if (++asked == 2) {
      return fail(ErrorCode::kNotFound, "there is no token");
    }
    return AdsCredentials{.tls = true, .ca_certificates = "PEM", .token = std::to_string(asked)};
  };
  start();
  EXPECT_TRUE(stream().peer.credentials.tls);
  EXPECT_EQ(stream().peer.credentials.token, "1");
  end();
  ring();
  EXPECT_THAT(world.streams, SizeIs(1)) << "without credentials nobody is asked";
  ring();
  ASSERT_THAT(world.streams, SizeIs(2));
  EXPECT_EQ(stream().peer.credentials.token, "3");
}

TEST_F(AdsClientRules, AsksForTheRestOfItsNodeAtEachAttempt) {
  int attempts = 0;
  options.complete_node = [&](NodeInfo& node) {
    node.metadata["attempt"] = std::to_string(++attempts);
  };
  std::vector<std::string> losses;
  options.on_loss = [&](const std::string& reason) { losses.push_back(reason); };
  start();
  EXPECT_EQ(delta_request(0).node().metadata().fields().at("attempt").string_value(), "1");
  stream().events.on_end({.unimplemented = false, .reason = "gone"});
  world.timer();
  EXPECT_EQ(delta_request(0).node().metadata().fields().at("attempt").string_value(), "2");
  EXPECT_THAT(losses, ElementsAre("gone"));
}

TEST_F(AdsClientRules, ConnectsAnewAtOnceWhenItIsToldTo) {
  start();
  EXPECT_THAT(world.streams, SizeIs(1));
  client->reconnect();
  ASSERT_THAT(world.streams, SizeIs(2));
  EXPECT_FALSE(world.streams.front().open);
  EXPECT_EQ(delta_request(0).node().id(), "default.test");
  stream().events.on_end({.unimplemented = false, .reason = "gone"});
  ASSERT_TRUE(world.timer);
  client->reconnect();
  EXPECT_FALSE(world.timer) << "the attempt that was to come is this one";
  EXPECT_THAT(world.streams, SizeIs(3));
  client->stop();
  client->reconnect();
  EXPECT_THAT(world.streams, SizeIs(3));
}

}  // namespace
}  // namespace meshdns::discovery
