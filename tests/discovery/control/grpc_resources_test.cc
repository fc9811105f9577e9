#include "discovery/control/grpc_resources.h"

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/control/grpc_rules.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

const std::string kTarget = "default/backend:8080";

Endpoint endpoint(const std::string& address, const std::string& zone,
                  Health health = Health::kHealthy) {
  return {*IpAddress::parse(address), 8080, zone, health, "instance"};
}

// "PRIORITY ZONE WEIGHT ADDRESS...", a line for each locality.
std::vector<std::string> lines_of(const std::string& value) {
  envoy::config::endpoint::v3::ClusterLoadAssignment message;
  EXPECT_TRUE(message.ParseFromString(value));
  EXPECT_EQ(message.cluster_name(), kTarget);
  std::vector<std::string> lines;
  for (const auto& locality : message.endpoints()) {
    std::string line = fmt::format("{} {} {}", locality.priority(), locality.locality().zone(),
                                   locality.load_balancing_weight().value());
    for (const auto& each : locality.lb_endpoints()) {
      const auto& socket = each.endpoint().address().socket_address();
      line += fmt::format(" {}:{}", socket.address(), socket.port_value());
    }
    lines.push_back(line);
  }
  return lines;
}

ResourceUpdate update_of(const std::vector<Endpoint>& endpoints) {
  const GrpcEndpoints made = grpc_endpoints(kTarget, endpoints);
  EXPECT_EQ(made.warning, "");
  return made.update;
}

TEST(GrpcResources, AreWhatGrpcTakes) {
  const std::vector<std::string> authorities = {"backend.mesh:8080", "back.end.mesh:8080"};
  for (const ResourceUpdate& update :
       {grpc_listener("backend.mesh:8080", kTarget), grpc_routes(kTarget, authorities),
        grpc_cluster(kTarget, Protocol::kTcp), grpc_cluster(kTarget, Protocol::kGrpc),
        update_of({endpoint("192.0.2.1", "east"), endpoint("2001:db8::1", "west")})}) {
    const auto checked = check_grpc_resource(update, authorities);
    EXPECT_TRUE(checked) << checked.error().message;
    // Proxies ask for all clusters.
    EXPECT_EQ(update.listing,
              update.type_url == kClusterTypeUrl ? Listing::kListed : Listing::kByNameOnly);
  }
}

TEST(GrpcResources, ClustersSayWhereHttp2IsSpoken) {
  const auto options_of = [](Protocol protocol) {
    envoy::config::cluster::v3::Cluster message;
    EXPECT_TRUE(message.ParseFromString(grpc_cluster(kTarget, protocol).value));
    return message.typed_extension_protocol_options();
  };
  for (const Protocol protocol : {Protocol::kHttp2, Protocol::kGrpc}) {
    const auto options = options_of(protocol);
    const std::string name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    ASSERT_THAT(options, ElementsAre(Key(name)));
    envoy::extensions::upstreams::http::v3::HttpProtocolOptions message;
    ASSERT_TRUE(options.at(name).UnpackTo(&message));
    EXPECT_TRUE(message.explicit_http_config().has_http2_protocol_options());
  }
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kHttp, Protocol::kKafka}) {
    EXPECT_THAT(options_of(protocol), IsEmpty());
  }
}

TEST(GrpcResources, TheOwnZoneComesBeforeAllOthers) {
  const ResourceUpdate update =
      update_of({endpoint("192.0.2.1", "east"), endpoint("192.0.2.2", "west"),
                 endpoint("192.0.2.3", "east"), endpoint("192.0.2.4", "north")});
  EXPECT_THAT(lines_of(update.value),
              ElementsAre("0 east 2 192.0.2.1:8080 192.0.2.3:8080", "0 north 1 192.0.2.4:8080",
                          "0 west 1 192.0.2.2:8080"));
  EXPECT_THAT(update.zone_values, ElementsAre(Key("east"), Key("north"), Key("west")));
  EXPECT_THAT(lines_of(update.zone_values.at("west")),
              ElementsAre("1 east 2 192.0.2.1:8080 192.0.2.3:8080", "1 north 1 192.0.2.4:8080",
                          "0 west 1 192.0.2.2:8080"));
}

TEST(GrpcResources, EndpointsOfOneZoneAreTheSameForAll) {
  const ResourceUpdate update =
      update_of({endpoint("192.0.2.1", "east"), endpoint("192.0.2.2", "east")});
  EXPECT_THAT(lines_of(update.value), ElementsAre("0 east 2 192.0.2.1:8080 192.0.2.2:8080"));
  EXPECT_THAT(update.zone_values, IsEmpty());
}

TEST(GrpcResources, UnhealthyEndpointsAreLeftOut) {
  // The sick one in the west is all that the west has, so that the zone is none.
  const ResourceUpdate update =
      update_of({endpoint("192.0.2.1", "east"), endpoint("192.0.2.2", "west", Health::kUnhealthy),
                 endpoint("192.0.2.3", "east", Health::kUnhealthy),
                 endpoint("192.0.2.4", "east", Health::kUnknown)});
  EXPECT_THAT(lines_of(update.value), ElementsAre("0 east 2 192.0.2.1:8080 192.0.2.4:8080"));
  EXPECT_THAT(update.zone_values, IsEmpty());
  const ResourceUpdate none = update_of({endpoint("192.0.2.1", "east", Health::kUnhealthy)});
  EXPECT_THAT(lines_of(none.value), IsEmpty());
  EXPECT_TRUE(check_grpc_resource(none, {}));
}

TEST(GrpcResources, FormsForZonesAreBoundedTogether) {
  constexpr std::size_t kZones = 100;
  std::vector<Endpoint> endpoints;
  for (std::size_t i = 0; i < kZones; ++i) {
    endpoints.push_back(
        endpoint(fmt::format("192.0.2.{}", i),
                 std::string(kMaxZoneFormBytes / kZones / kZones, 'z') + std::to_string(i)));
  }
  const GrpcEndpoints made = grpc_endpoints(kTarget, endpoints);
  EXPECT_THAT(made.update.zone_values, IsEmpty());
  EXPECT_THAT(made.warning, testing::HasSubstr("clients of port 8080"));
  endpoints.resize(kZones / 2);
  EXPECT_EQ(update_of(endpoints).zone_values.size(), kZones / 2);
}

}  // namespace
}  // namespace meshdns::discovery
