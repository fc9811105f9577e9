#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::endpoint::v3::LbEndpoint;
using testing::ElementsAre;
using testing::HasSubstr;

Endpoint endpoint(const std::string& address, const std::string& instance,
                  const std::string& zone = "", Health health = Health::kUnknown) {
  return {IpAddress::parse(address).value(), 80, zone, health, instance};
}

LbEndpoint member(const std::string& address) {
  LbEndpoint made;
  auto& socket = *made.mutable_endpoint()->mutable_address()->mutable_socket_address();
  socket.set_address(address);
  socket.set_port_value(80);
  return made;
}

// "default/web" with one locality without a zone.
ClusterLoadAssignment assignment(const std::vector<LbEndpoint>& members) {
  ClusterLoadAssignment message;
  message.set_cluster_name("default/web");
  auto& locality = *message.add_endpoints();
  for (const LbEndpoint& each : members) {
    *locality.add_lb_endpoints() = each;
  }
  return message;
}

std::string error_of(const ClusterLoadAssignment& message) {
  const auto decoded = decode_endpoints(message.SerializeAsString());
  return decoded ? "accepted" : decoded.error().message;
}

TEST(DecodeEndpoints, ReadsWhatOurControlPlaneWrites) {
  const ServiceEndpoints written{{"default", "web"},
                                 {endpoint("192.0.2.1", "web-1", "east", Health::kHealthy),
                                  endpoint("192.0.2.2", "web-2", "west", Health::kUnhealthy),
                                  endpoint("192.0.2.3", "", "east", Health::kUnknown),
                                  endpoint("2001:db8::1", "web-1", "east", Health::kHealthy)}};
  const auto read = decode_endpoints(encode_endpoints("default/web", written.endpoints));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, written);
}

TEST(DecodeEndpoints, SortsThemAndDropsRepetitions) {
  const auto read = decode_endpoints(
      assignment({member("192.0.2.9"), member("::ffff:192.0.2.1"), member("192.0.2.9")})
          .SerializeAsString());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(read->endpoints, ElementsAre(endpoint("192.0.2.1", ""), endpoint("192.0.2.9", "")));
}

TEST(DecodeEndpoints, ReadsAServiceWithoutEndpoints) {
  ClusterLoadAssignment message;
  message.set_cluster_name("default/web");
  const auto read = decode_endpoints(message.SerializeAsString());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, (ServiceEndpoints{{"default", "web"}, {}}));
}

TEST(DecodeEndpoints, TakesEveryStateOfHealth) {
  namespace core = envoy::config::core::v3;
  struct Case {
    core::HealthStatus status;
    Health want;
  };
  for (const Case& row :
       std::vector<Case>{{core::UNKNOWN, Health::kUnknown},
                         {core::HEALTHY, Health::kHealthy},
                         {core::DEGRADED, Health::kHealthy},
                         {core::UNHEALTHY, Health::kUnhealthy},
                         {core::DRAINING, Health::kUnhealthy},
                         {core::TIMEOUT, Health::kUnhealthy},
                         {static_cast<core::HealthStatus>(99), Health::kUnknown}}) {
    LbEndpoint one = member("192.0.2.1");
    one.set_health_status(row.status);
    const auto read = decode_endpoints(assignment({one}).SerializeAsString());
    ASSERT_TRUE(read) << row.status;
    EXPECT_EQ(read->endpoints.at(0).health, row.want) << row.status;
  }
}

TEST(DecodeEndpoints, RefusesANameThatIsNotOfAService) {
  for (const std::string name : {"", "web", "/web", "default/", "default/web/80"}) {
    ClusterLoadAssignment message;
    message.set_cluster_name(name);
    EXPECT_THAT(error_of(message), HasSubstr("is no MESH/NAME")) << name;
  }
  ClusterLoadAssignment message;
  message.set_cluster_name("default/" + std::string(254, 'x'));
  EXPECT_THAT(error_of(message), HasSubstr("is no MESH/NAME"));
}

TEST(DecodeEndpoints, RefusesWhatIsNoAddress) {
  for (const std::string address : {"", "backend.example.org", "0.0.0.0", "::", "::ffff:0.0.0.0",
                                    "192.0.2.1:80", "fe80::1%lo", "192.0.2.1 "}) {
    EXPECT_THAT(error_of(assignment({member("192.0.2.1"), member(address)})),
                HasSubstr("is no IP address"))
        << address;
  }
  LbEndpoint named;
  named.set_endpoint_name("elsewhere");
  EXPECT_THAT(error_of(assignment({named})), HasSubstr("is no IP address"));
  LbEndpoint pipe;
  pipe.mutable_endpoint()->mutable_address()->mutable_pipe()->set_path("/run/x");
  EXPECT_THAT(error_of(assignment({pipe})), HasSubstr("is no IP address"));
}

TEST(DecodeEndpoints, RefusesWhatIsNoPort) {
  for (const unsigned port : {0U, 65536U}) {
    LbEndpoint one = member("192.0.2.1");
    one.mutable_endpoint()->mutable_address()->mutable_socket_address()->set_port_value(port);
    EXPECT_THAT(error_of(assignment({one})), HasSubstr("is no port number"));
  }
  LbEndpoint one = member("192.0.2.1");
  one.mutable_endpoint()->mutable_address()->mutable_socket_address()->set_named_port("http");
  EXPECT_THAT(error_of(assignment({one})), HasSubstr("is no port number"));
}

TEST(DecodeEndpoints, RefusesWhatIsTooLongOrTooMuch) {
  LbEndpoint one = member("192.0.2.1");
  one.mutable_endpoint()->set_hostname(std::string(253, 'x'));
  EXPECT_EQ(error_of(assignment({one})), "accepted");
  one.mutable_endpoint()->set_hostname(std::string(254, 'x'));
  EXPECT_THAT(error_of(assignment({one})), HasSubstr("endpoint hostname: 254 octets"));

  ClusterLoadAssignment zoned = assignment({});
  zoned.mutable_endpoints(0)->mutable_locality()->set_zone(std::string(254, 'x'));
  EXPECT_THAT(error_of(zoned), HasSubstr("locality zone: 254 octets"));

  std::vector<LbEndpoint> many(100'000, member("192.0.2.1"));
  EXPECT_EQ(error_of(assignment(many)), "accepted");
  many.push_back(member("192.0.2.1"));
  EXPECT_THAT(error_of(assignment(many)), HasSubstr("endpoints: there are more than 100000"));
}

TEST(DecodeEndpoints, RefusesOctetsThatAreNoAssignment) {
  for (const std::string& value : {std::string("\xff\xff"), std::string("\x0a\x05web")}) {
    const auto decoded = decode_endpoints(value);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().message, "the value is no ClusterLoadAssignment");
  }
}

}  // namespace
}  // namespace meshdns::discovery
