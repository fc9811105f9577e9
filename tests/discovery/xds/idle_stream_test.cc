// What a stream that has been told everything costs the server beside gRPC's own: it must be told
// of each change, and holds no copy of what it was told.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/metrics.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/ads_server_stream.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/server_session.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/allocation_counter.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;

constexpr std::size_t kMostBytes = std::size_t{8} << 10U;
constexpr int kServices = 10'000;

// Asks for some of a type, and takes and acknowledges what comes, which is something.
void follow(ServerSession& session, std::string_view type_url,
            const std::vector<std::string>& names) {
  DeltaDiscoveryRequest first;
  first.set_type_url(std::string(type_url));
  first.mutable_node()->set_id("default.one");
  // As of who registers itself.
  auto& metadata = *first.mutable_node()->mutable_metadata()->mutable_fields();
  metadata["dataplane.resource"].set_string_value(std::string(100'000, 'd'));
  for (const std::string& name : names) {
    first.add_resource_names_subscribe(name);
  }
  ASSERT_TRUE(session.receive(first.SerializeAsString()));
  int responses = 0;
  for (auto response = session.next(); response && *response; response = session.next()) {
    ++responses;
    DeltaDiscoveryRequest acknowledgement;
    acknowledgement.set_type_url(std::string(type_url));
    for (const auto& type : session.status().types) {
      if (type.type_url == type_url) {
        acknowledgement.set_response_nonce(type.sent_nonce);
      }
    }
    ASSERT_TRUE(session.receive(acknowledgement.SerializeAsString()));
  }
  EXPECT_GT(responses, 0);
}

TEST(IdleStream, CostsLittleHoweverMuchItWasTold) {
  const auto resources = std::make_shared<ResourceSet>();
  std::vector<ResourceUpdate> updates;
  for (int i = 0; i < kServices; ++i) {
    for (const std::string_view type :
         {kServiceTypeUrl, kClusterLoadAssignmentTypeUrl, kClusterTypeUrl, kListenerTypeUrl}) {
      updates.push_back({std::string(type), fmt::format("default/service-{}", i), "value"});
    }
  }
  resources->apply(updates, {});
  updates = {};
  const AdsServer::Options options;
  const AdsServer::AudienceFor audience_for = [&](const NodeInfo& /*node*/) { return resources; };
  TestLog log;
  MetricRegistry registry;
  XdsServerMetrics metrics{registry};
  const auto open = [&] {
    return std::make_unique<ServerSession>(XdsVariant::kDelta, options, audience_for, log.logger(),
                                           metrics);
  };
  // What is made once for all streams is made now.
  const auto first = open();
  follow(*first, kServiceTypeUrl, {"*"});

  // A resolver: all services and endpoints.
  std::size_t before = support::live_bytes();
  const auto resolver = open();
  follow(*resolver, kServiceTypeUrl, {"*"});
  follow(*resolver, kClusterLoadAssignmentTypeUrl, {"*"});
  const std::size_t of_resolver = support::live_bytes() - before + sizeof(AdsServerStream);
  EXPECT_LE(of_resolver, kMostBytes);
  RecordProperty("resolver_bytes", static_cast<int>(of_resolver));

  // An Envoy: all clusters and listeners, and endpoints by name, which it pays for by the name.
  before = support::live_bytes();
  const auto envoy = open();
  follow(*envoy, kClusterTypeUrl, {});
  follow(*envoy, kListenerTypeUrl, {});
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) {
    names.push_back(fmt::format("default/service-{}", i));
  }
  follow(*envoy, kClusterLoadAssignmentTypeUrl, names);
  const std::size_t of_envoy = support::live_bytes() - before + sizeof(AdsServerStream);
  EXPECT_LE(of_envoy, kMostBytes);
  RecordProperty("envoy_bytes", static_cast<int>(of_envoy));
}

}  // namespace
}  // namespace meshdns::discovery
