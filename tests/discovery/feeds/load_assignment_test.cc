#include "discovery/feeds/load_assignment.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"
#include "tests/support/xds_messages.h"

namespace meshdns::discovery {
namespace {

using envoy::config::endpoint::v3::ClusterLoadAssignment;
using support::load_assignment;
using support::WireEndpoint;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kHealthy = 1;  // of HealthStatus
constexpr int kUnhealthy = 2;
constexpr int kDraining = 3;
constexpr int kDegraded = 5;

LoadAssignment decoded(const std::string& value, HostNames host_names = HostNames::kRefused) {
  const auto result = decode_load_assignment(value, host_names);
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message);
  return result.value_or(LoadAssignment());
}

std::string error_of(const std::string& value) {
  const auto result = decode_load_assignment(value, HostNames::kRefused);
  return result ? "" : result.error().message;
}

std::vector<std::string> addresses_of(const LoadAssignment& assignment) {
  std::vector<std::string> addresses;
  for (const Endpoint& endpoint : assignment.endpoints) {
    addresses.push_back(endpoint.address.to_string());
  }
  return addresses;
}

TEST(LoadAssignment, HasWhatAnEndpointSays) {
  const LoadAssignment web = decoded(load_assignment(
      "web", {{.address = "192.0.2.1", .port = 8080, .health = kHealthy, .hostname = "web-1"}}));
  EXPECT_EQ(web.name, "web");
  EXPECT_THAT(web.endpoints, ElementsAre(Endpoint{IpAddress::parse("192.0.2.1").value(), 8080,
                                                  "east", Health::kHealthy, "web-1"}));
  EXPECT_FALSE(web.is_elsewhere);
}

TEST(LoadAssignment, IsSortedWithoutRepetitionAndMappedAddressesAreIPv4) {
  EXPECT_THAT(
      addresses_of(decoded(load_assignment(
          "web",
          {{"2001:db8::1"}, {"192.0.2.2"}, {"::ffff:192.0.2.1"}, {"192.0.2.1"}, {"192.0.2.2"}}))),
      ElementsAre("192.0.2.1", "192.0.2.2", "2001:db8::1"));
}

TEST(LoadAssignment, WithoutEndpointsSaysThatThereAreNone) {
  const LoadAssignment web = decoded(load_assignment("web", {}));
  EXPECT_THAT(web.endpoints, IsEmpty());
  EXPECT_FALSE(web.is_elsewhere);
}

TEST(LoadAssignment, NamesTheFirstPriorityThatServes) {
  struct Case {
    std::vector<WireEndpoint> endpoints;
    std::vector<std::string> want;
  };
  const auto at = [](std::uint32_t priority, const std::string& address, int health) {
    return WireEndpoint{.address = address, .health = health, .priority = priority};
  };
  const std::vector<Case> cases{
      {{at(1, "192.0.2.9", kHealthy), at(0, "192.0.2.1", kHealthy)}, {"192.0.2.1"}},
      {{at(0, "192.0.2.1", kDegraded), at(1, "192.0.2.9", kHealthy)}, {"192.0.2.1"}},
      {{at(0, "192.0.2.1", kUnhealthy), at(1, "192.0.2.9", kHealthy)}, {"192.0.2.9"}},
      {{at(0, "192.0.2.1", kDraining), at(7, "192.0.2.9", 0)}, {"192.0.2.9"}},
      // One that is ill beside one that serves is told with its health.
      {{at(0, "192.0.2.1", kHealthy), at(0, "192.0.2.2", kUnhealthy)}, {"192.0.2.1", "192.0.2.2"}},
      {{at(0, "192.0.2.1", kUnhealthy), at(1, "192.0.2.9", kUnhealthy)},
       {"192.0.2.1", "192.0.2.9"}},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(addresses_of(decoded(load_assignment("web", row.endpoints))), row.want);
  }
}

TEST(LoadAssignment, LeavesOutWhatIsNoAddressOfAHost) {
  ClusterLoadAssignment message;
  message.set_cluster_name("web");
  auto& locality = *message.add_endpoints();
  locality.add_lb_endpoints()->mutable_endpoint()->mutable_address()->mutable_pipe()->set_path(
      "/s");
  locality.add_lb_endpoints();  // as one whose address is of a kind that is not known here
  auto& looked_up =
      *locality.add_lb_endpoints()->mutable_endpoint()->mutable_address()->mutable_socket_address();
  looked_up.set_address("web.example.org");
  looked_up.set_resolver_name("strict");
  EXPECT_TRUE(decoded(message.SerializeAsString()).is_elsewhere);
  auto& socket =
      *locality.add_lb_endpoints()->mutable_endpoint()->mutable_address()->mutable_socket_address();
  socket.set_address("192.0.2.1");
  socket.set_named_port("http");
  const LoadAssignment web = decoded(message.SerializeAsString());
  EXPECT_FALSE(web.is_elsewhere);
  ASSERT_THAT(addresses_of(web), ElementsAre("192.0.2.1"));
  EXPECT_EQ(web.endpoints[0].port, 0) << "a name is no number";
}

TEST(LoadAssignment, LeavesOutHostNamesWhereTheyAreAllowed) {
  const std::string names = load_assignment("web", {{"www.example.org"}});
  EXPECT_THAT(error_of(names), HasSubstr("endpoint address: 'www.example.org' is no IP address"));
  EXPECT_TRUE(decoded(names, HostNames::kLeftOut).is_elsewhere);
  EXPECT_THAT(addresses_of(decoded(load_assignment("web", {{"www.example.org"}, {"192.0.2.1"}}),
                                   HostNames::kLeftOut)),
              ElementsAre("192.0.2.1"));
}

TEST(LoadAssignment, FindsNamedEndpointsAndAdditionalAddresses) {
  ClusterLoadAssignment message;
  message.set_cluster_name("web");
  auto& named = (*message.mutable_named_endpoints())["one"];
  named.mutable_address()->mutable_socket_address()->set_address("192.0.2.1");
  named.add_additional_addresses()->mutable_address()->mutable_socket_address()->set_address(
      "2001:db8::1");
  auto& locality = *message.add_endpoints();
  locality.add_lb_endpoints()->set_endpoint_name("one");
  EXPECT_THAT(addresses_of(decoded(message.SerializeAsString())),
              ElementsAre("192.0.2.1", "2001:db8::1"));
  locality.add_lb_endpoints()->set_endpoint_name("two");
  EXPECT_THAT(error_of(message.SerializeAsString()),
              HasSubstr("endpoint_name: 'two' is not among named_endpoints"));
}

TEST(LoadAssignment, NamesTheFieldThatIsWrong) {
  struct Case {
    std::string value;
    std::string error;
  };
  const std::string long_name(254, 'a');
  ClusterLoadAssignment zone;
  zone.add_endpoints()->mutable_locality()->set_zone(long_name);
  const std::vector<Case> cases{
      {"\xff", "the value is no ClusterLoadAssignment"},
      {load_assignment("web", {{"192.0.2"}}), "endpoint address: '192.0.2' is no IP address"},
      {load_assignment("web", {{""}}), "endpoint address: '' is no IP address"},
      {load_assignment("web", {{"0.0.0.0"}}), "endpoint address: '0.0.0.0' is no IP address"},
      {load_assignment("web", {{"::ffff:0.0.0.0"}}), "is no IP address"},
      {load_assignment("web", {{"192.0.2.1", 65536}}), "endpoint port: 65536 is no port number"},
      {load_assignment("web", {{.address = "192.0.2.1", .hostname = long_name}}),
       "endpoint hostname: 254 octets are more than 253"},
      {zone.SerializeAsString(), "locality zone: 254 octets are more than 253"},
  };
  for (const Case& row : cases) {
    EXPECT_THAT(error_of(row.value), HasSubstr(row.error));
  }
}

TEST(LoadAssignment, IsRefusedWithMoreEndpointsThanAnybodyHas) {
  ClusterLoadAssignment message;
  auto& locality = *message.add_endpoints();
  for (int i = 0; i < 100'001; ++i) {
    locality.add_lb_endpoints()
        ->mutable_endpoint()
        ->mutable_address()
        ->mutable_socket_address()
        ->set_address("192.0.2.1");
  }
  EXPECT_THAT(error_of(message.SerializeAsString()), HasSubstr("there are more than 100000"));
}

}  // namespace
}  // namespace meshdns::discovery
