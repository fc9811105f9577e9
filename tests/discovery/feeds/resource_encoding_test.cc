#include "discovery/feeds/resource_encoding.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/control/service_generator.h"
#include "discovery/dataplane.h"
#include "discovery/service.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::config::endpoint::v3::ClusterLoadAssignment;
using testing::ElementsAre;

Dataplane dataplane(const std::string& name, const std::string& address, const std::string& zone) {
  Dataplane made;
  made.mesh = "default";
  made.name = name;
  Inbound inbound;
  inbound.address = IpAddress::parse(address).value();
  inbound.port = 80;
  inbound.tags = {{"kuma.io/service", "web"}, {"kuma.io/zone", zone}};
  made.inbounds.push_back(inbound);
  return made;
}

GeneratedService generate(const std::vector<Dataplane>& dataplanes) {
  std::vector<const Dataplane*> pointers;
  pointers.reserve(dataplanes.size());
  for (const Dataplane& each : dataplanes) {
    pointers.push_back(&each);
  }
  return generate_service({"default", "web"}, pointers, "home");
}

// ZONE:ADDRESS of each endpoint, in the order of the wire.
std::vector<std::string> order_of(const std::string& encoded) {
  ClusterLoadAssignment message;
  EXPECT_TRUE(message.ParseFromString(encoded));
  std::vector<std::string> order;
  for (const auto& locality : message.endpoints()) {
    EXPECT_EQ(static_cast<int>(locality.load_balancing_weight().value()),
              locality.lb_endpoints_size());
    for (const auto& one : locality.lb_endpoints()) {
      order.push_back(locality.locality().zone() + ":" +
                      one.endpoint().address().socket_address().address());
    }
  }
  return order;
}

TEST(ResourceEncoding, EndpointsComeByZoneThenAddressWhateverTheOrderOfTheDataplanes) {
  std::vector<Dataplane> dataplanes{
      dataplane("a", "192.0.2.10", "west"), dataplane("b", "192.0.2.9", "east"),
      dataplane("c", "2001:db8::1", "east"), dataplane("d", "192.0.2.3", "west")};
  const std::string first = encode_endpoints("default/web", generate(dataplanes).endpoints);
  EXPECT_THAT(order_of(first), ElementsAre("east:192.0.2.9", "east:2001:db8::1", "west:192.0.2.3",
                                           "west:192.0.2.10"));
  std::ranges::reverse(dataplanes);
  EXPECT_EQ(encode_endpoints("default/web", generate(dataplanes).endpoints), first)
      << "equal content has equal bytes, so its version is equal too";
}

TEST(ResourceEncoding, AnEndpointHasItsInstanceAsHostnameAndItsHealth) {
  const std::vector<Endpoint> endpoints{
      {*IpAddress::parse("192.0.2.1"), 80, "west", Health::kHealthy, "web-1"},
      {*IpAddress::parse("192.0.2.2"), 80, "west", Health::kUnhealthy, "web-2"},
      {*IpAddress::parse("192.0.2.3"), 80, "west", Health::kUnknown, ""}};
  ClusterLoadAssignment message;
  ASSERT_TRUE(message.ParseFromString(encode_endpoints("default/web", endpoints)));
  ASSERT_EQ(message.endpoints_size(), 1);
  const auto& members = message.endpoints(0).lb_endpoints();
  ASSERT_EQ(members.size(), 3);
  EXPECT_EQ(members[0].endpoint().hostname(), "web-1");
  EXPECT_EQ(members[0].health_status(), envoy::config::core::v3::HEALTHY);
  EXPECT_EQ(members[1].endpoint().hostname(), "web-2");
  EXPECT_EQ(members[1].health_status(), envoy::config::core::v3::UNHEALTHY);
  EXPECT_EQ(members[2].endpoint().hostname(), "");
  EXPECT_EQ(members[2].health_status(), envoy::config::core::v3::UNKNOWN);
}

TEST(ResourceEncoding, AServiceIsTheSameBytesWhateverTheOrderOfItsDataplanes) {
  const Dataplane one = dataplane("a", "192.0.2.1", "west");
  Dataplane other = dataplane("b", "192.0.2.2", "west");
  other.inbounds.push_back(other.inbounds.front());
  other.inbounds.back().port = 81;
  const std::string first = encode_service(generate({one, other}).service);
  EXPECT_EQ(encode_service(generate({other, one}).service), first);
  mesh::v1::Service message;
  ASSERT_TRUE(message.ParseFromString(first));
  ASSERT_EQ(message.ports_size(), 2);
  EXPECT_EQ(message.ports(0).number(), 80U);
  EXPECT_EQ(message.ports(1).number(), 81U);
}

}  // namespace
}  // namespace meshdns::discovery
