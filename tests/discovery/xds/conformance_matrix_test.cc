// Every combination of variant, service and type, way of asking, beginning of a stream and answer
// of a client, each as a whole conversation with the server's side of a stream, held against what
// the xDS protocol says ("xDS REST and gRPC protocol", Envoy's documentation).
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/metrics.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/server_session.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/xds/xds_fixture.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

// How the client asks: an empty list, "*", the name "a", or "*" and "a".
enum class Asks : std::uint8_t { kLegacyWildcard, kStar, kName, kStarAndName };
// What it has when the stream begins: nothing, what this server told it on another stream, or what
// another server did, whose "a" is not ours.
enum class Holds : std::uint8_t { kNothing, kOurs, kAReplicas };
// What it says to the first response.
enum class Says : std::uint8_t { kAck, kNack, kStaleNonce, kNoNonce };

// Of what type, and by which service: the aggregated one, or the type's own, where the client need
// not say the type. Listeners are as clusters and routes as endpoints.
struct Asked {
  std::string name;
  std::string_view type_url;
  bool is_aggregated = true;
};
const std::vector<Asked>& all_asked() {
  static const std::vector<Asked> kAll = {
      {"clusters", kClusterTypeUrl, true},
      {"clusters_own_service", kClusterTypeUrl, false},
      {"endpoints", kClusterLoadAssignmentTypeUrl, true},
      {"endpoints_own_service", kClusterLoadAssignmentTypeUrl, false},
      {"nametables", kNameTableTypeUrl, true},
      {"services", kServiceTypeUrl, true},
  };
  return kAll;
}

// variant, number of all_asked()
using Case = std::tuple<XdsVariant, std::size_t, Asks, Holds, Says>;

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const auto& [variant, asked, asks, holds, says] = info.param;
  static const std::vector<std::string> kAsks = {"legacy", "star", "name", "mixed"};
  static const std::vector<std::string> kHolds = {"first", "again", "replica"};
  static const std::vector<std::string> kSays = {"ack", "nack", "stale", "nononce"};
  return fmt::format("{}_{}_{}_{}_{}", variant == XdsVariant::kSotw ? "sotw" : "delta",
                     all_asked().at(asked).name, kAsks.at(static_cast<std::size_t>(asks)),
                     kHolds.at(static_cast<std::size_t>(holds)),
                     kSays.at(static_cast<std::size_t>(says)));
}

// A response in words: "a=1", and "-b" for what is removed; nothing when none is sent.
using Words = std::set<std::string>;
using Sent = std::optional<Words>;

class ConformanceMatrix : public testing::TestWithParam<Case> {
 protected:
  ConformanceMatrix() {
    std::size_t asked = 0;
    std::tie(variant, asked, asks, holds, says) = GetParam();
    const Asked& service = all_asked().at(asked);
    type_url = std::string(service.type_url);
    // Endpoints and routes are parts; all else is told whole.
    full_state = service.type_url != kClusterLoadAssignmentTypeUrl;
    said_type_url = service.is_aggregated ? type_url : "";
    put("a", "a=1");
    put("b", "b=1");
    session = std::make_unique<ServerSession>(
        variant, options, audience_for, log.logger(), metrics,
        SessionTerms{.identity = nullptr,
                     .only_type = service.is_aggregated ? std::string_view() : service.type_url});
  }

  void put(const std::string& name, const std::string& value) {
    resources->apply({{type_url, name, value}}, {});
  }

  // --- The client ---

  [[nodiscard]] std::vector<std::string> names() const {
    switch (asks) {
      case Asks::kLegacyWildcard:
        return {};
      case Asks::kStar:
        return {"*"};
      case Asks::kName:
        return {"a"};
      case Asks::kStarAndName:
        return {"*", "a"};
    }
    return {};
  }
  [[nodiscard]] std::string held(const std::string& name) const {
    return name == "a" && holds == Holds::kAReplicas ? "a=of a replica" : name + "=1";
  }

  void begin() {
    if (variant == XdsVariant::kSotw) {
      DiscoveryRequest request;
      if (holds != Holds::kNothing) {
        // Of the whole table, as a server with the same content says it.
        ResourceSet other;
        other.apply({{type_url, "a", held("a")}, {type_url, "b", held("b")}}, {});
        other.read(type_url, [&](const auto& table) { request.set_version_info(table.version()); });
      }
      say(request);
      return;
    }
    DeltaDiscoveryRequest request;
    request.set_type_url(said_type_url);
    for (const std::string& name : names()) {
      request.add_resource_names_subscribe(name);
    }
    if (holds != Holds::kNothing) {
      for (const std::string name : {"a", "b"}) {
        if (is_covered(name)) {
          const Resource resource(type_url, name, held(name));
          (*request.mutable_initial_resource_versions())[name] = resource.version();
        }
      }
    }
    ASSERT_TRUE(session->receive(request.SerializeAsString()));
  }
  void say(DiscoveryRequest& request) {
    request.set_type_url(said_type_url);
    for (const std::string& name : names()) {
      request.add_resource_names(name);
    }
    ASSERT_TRUE(session->receive(request.SerializeAsString()));
  }
  void answer(Says how) {
    const std::string nonce = how == Says::kNoNonce      ? ""
                              : how == Says::kStaleNonce ? "of another time"
                                                         : last_nonce;
    DiscoveryRequest sotw;
    DeltaDiscoveryRequest delta;
    sotw.set_response_nonce(nonce);
    delta.set_response_nonce(nonce);
    if (how == Says::kNack) {
      sotw.mutable_error_detail()->set_message("no good");
      delta.mutable_error_detail()->set_message("no good");
    }
    if (variant == XdsVariant::kSotw) {
      say(sotw);
    } else {
      delta.set_type_url(said_type_url);
      ASSERT_TRUE(session->receive(delta.SerializeAsString()));
    }
  }
  Sent next() {
    const auto response = session->next();
    if (!response || !*response) {
      return std::nullopt;
    }
    std::string bytes = (*response)->head;
    for (const SharedBytes& part : (*response)->resources) {
      bytes += part.bytes;
    }
    Words words;
    if (variant == XdsVariant::kSotw) {
      DiscoveryResponse message;
      EXPECT_TRUE(message.ParseFromString(bytes));
      last_nonce = message.nonce();
      for (const auto& resource : message.resources()) {
        words.insert(resource.value());
      }
      EXPECT_EQ(static_cast<int>(words.size()), message.resources_size()) << "no name twice";
    } else {
      DeltaDiscoveryResponse message;
      EXPECT_TRUE(message.ParseFromString(bytes));
      last_nonce = message.nonce();
      for (const auto& resource : message.resources()) {
        words.insert(resource.resource().value());
      }
      for (const std::string& name : message.removed_resources()) {
        words.insert("-" + name);
      }
      EXPECT_EQ(static_cast<int>(words.size()),
                message.resources_size() + message.removed_resources_size())
          << "no name twice";
    }
    return words;
  }

  // --- What the protocol says ---

  // An empty first list means everything for listeners and clusters alone.
  [[nodiscard]] bool is_wildcard() const {
    return asks == Asks::kStar || asks == Asks::kStarAndName ||
           (asks == Asks::kLegacyWildcard && full_state);
  }
  [[nodiscard]] bool is_covered(const std::string& name) const {
    return is_wildcard() || (asks == Asks::kName && name == "a");
  }
  // Of these, what the client asks for.
  [[nodiscard]] Words covered(const Words& words) const {
    Words some;
    for (const std::string& word : words) {
      if (is_covered(word.substr(0, 1))) {
        some.insert(word);
      }
    }
    return some;
  }
  // The answer to a stream's first request.
  [[nodiscard]] Sent first_answer() const {
    const Words all = covered({"a=1", "b=1"});
    if (all.empty()) {
      return std::nullopt;  // it asks for nothing
    }
    if (variant == XdsVariant::kSotw) {
      // A version may spare a wildcard of a full-state type its answer, and nobody else: a client
      // that asks by name may wait for just that (envoy#9934).
      const bool is_spared =
          full_state && is_wildcard() && asks != Asks::kStarAndName && holds == Holds::kOurs;
      return is_spared ? std::nullopt : Sent(all);
    }
    switch (holds) {
      case Holds::kNothing:
        return all;
      case Holds::kOurs:
        // A wildcard is answered, however little there is to say.
        return is_wildcard() ? Sent(Words()) : std::nullopt;
      case Holds::kAReplicas:
        return Words{"a=1"};
    }
    return std::nullopt;
  }
  // What a change of "a" is told as.
  [[nodiscard]] Sent changed() const {
    if (!is_covered("a")) {
      return std::nullopt;
    }
    const bool is_whole = variant == XdsVariant::kSotw && full_state;
    return is_whole ? covered({"a=2", "b=1"}) : Words{"a=2"};
  }
  // What the end of "b" is told as.
  [[nodiscard]] Sent removed() const {
    if (!is_covered("b")) {
      return std::nullopt;
    }
    if (variant == XdsVariant::kDelta) {
      return Words{"-b"};
    }
    // What a full-state response lacks is gone; of the other types nothing can be said.
    return full_state ? Sent(covered({"a=2"})) : std::nullopt;
  }

  XdsVariant variant{};
  bool full_state = false;
  Asks asks{};
  Holds holds{};
  Says says{};
  std::string type_url;
  std::string said_type_url;  // in requests
  AdsServer::Options options;
  std::shared_ptr<ResourceSet> resources = std::make_shared<ResourceSet>();
  AdsServer::AudienceFor audience_for = [this](const NodeInfo& /*node*/) { return resources; };
  TestLog log;
  MetricRegistry registry;
  XdsServerMetrics metrics{registry};
  std::unique_ptr<ServerSession> session;
  std::string last_nonce;
};

TEST_P(ConformanceMatrix, Holds) {
  begin();
  const Sent first = next();
  EXPECT_EQ(first, first_answer());
  EXPECT_EQ(next(), std::nullopt) << "one response without its ACK at a time";

  // Without a response there is no nonce that a client could have.
  answer(first ? says : Says::kNoNonce);
  EXPECT_EQ(next(), std::nullopt) << "nothing changed, and what was refused is not sent again";
  put("a", "a=2");
  if (first && (says == Says::kStaleNonce || says == Says::kNoNonce)) {
    EXPECT_EQ(next(), std::nullopt) << "its ACK is still to come";
    answer(Says::kAck);
  }
  const Sent change = next();
  EXPECT_EQ(change, changed());
  answer(change ? Says::kAck : Says::kNoNonce);
  EXPECT_EQ(next(), std::nullopt);

  resources->apply({}, {{type_url, "b"}});
  const Sent removal = next();
  EXPECT_EQ(removal, removed());
  answer(removal ? Says::kAck : Says::kNoNonce);
  EXPECT_EQ(next(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConformanceMatrix,
    testing::Combine(testing::Values(XdsVariant::kSotw, XdsVariant::kDelta),
                     testing::Range(std::size_t{0}, all_asked().size()),
                     testing::Values(Asks::kLegacyWildcard, Asks::kStar, Asks::kName,
                                     Asks::kStarAndName),
                     testing::Values(Holds::kNothing, Holds::kOurs, Holds::kAReplicas),
                     testing::Values(Says::kAck, Says::kNack, Says::kStaleNonce, Says::kNoNonce)),
    name_of);

}  // namespace
}  // namespace meshdns::discovery
