#include "discovery/control/service_generator.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/dataplane.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

Dataplane dataplane(const std::string& name, const std::string& address, std::uint16_t port,
                    const std::map<std::string, std::string>& tags) {
  Dataplane result;
  result.mesh = "default";
  result.name = name;
  Inbound inbound;
  inbound.address = *IpAddress::parse(address);
  inbound.port = port;
  inbound.name = "main";
  inbound.tags = tags;
  inbound.tags["kuma.io/service"] = "backend";
  result.inbounds.push_back(inbound);
  return result;
}

GeneratedService generate(const std::vector<Dataplane>& dataplanes) {
  std::vector<const Dataplane*> pointers;
  for (const Dataplane& each : dataplanes) {
    pointers.push_back(&each);
  }
  return generate_service({"default", "backend"}, pointers, "home");
}

TEST(ServiceGenerator, MakesOneServiceOfTwoVersionsInTwoZones) {
  const auto generated = generate({
      dataplane("v1", "192.0.2.1", 8080,
                {{"kuma.io/protocol", "http"}, {"kuma.io/zone", "east"}, {"version", "v1"}}),
      dataplane("v2", "192.0.2.2", 8080, {{"kuma.io/protocol", "HTTP"}, {"version", "v2"}}),
  });
  EXPECT_EQ(generated.service.ports, (std::vector<ServicePort>{{"main", 8080, Protocol::kHttp}}));
  EXPECT_EQ(generated.service.zone, "");
  EXPECT_EQ(generated.service.tags.count("version"), 0U);
  ASSERT_EQ(generated.endpoints.size(), 2U);
  EXPECT_EQ(generated.endpoints[0].zone, "east");
  EXPECT_EQ(generated.endpoints[1].zone, "home");
  EXPECT_TRUE(generated.warnings.empty());
}

TEST(ServiceGenerator, TakesTheZoneOfTheTagThenOfTheLabelThenTheDefault) {
  Dataplane tagged = dataplane("tagged", "192.0.2.1", 80, {{"kuma.io/zone", "east"}});
  Dataplane labelled = dataplane("labelled", "192.0.2.2", 80, {});
  tagged.labels["kuma.io/zone"] = labelled.labels["kuma.io/zone"] = "west";
  const auto generated = generate({tagged, labelled, dataplane("bare", "192.0.2.3", 80, {})});
  ASSERT_EQ(generated.endpoints.size(), 3U);
  EXPECT_EQ(generated.endpoints[0].zone, "east");
  EXPECT_EQ(generated.endpoints[1].zone, "west");
  EXPECT_EQ(generated.endpoints[2].zone, "home");
}

TEST(ServiceGenerator, TakesTcpAndWarnsWhereInboundsDisagree) {
  const auto generated = generate({
      dataplane("a", "192.0.2.1", 8080, {{"kuma.io/protocol", "http"}}),
      dataplane("b", "192.0.2.2", 8080, {{"kuma.io/protocol", "grpc"}}),
      dataplane("c", "192.0.2.3", 9090, {{"kuma.io/protocol", "grpc"}}),
  });
  EXPECT_EQ(generated.service.ports, (std::vector<ServicePort>{{"main", 8080, Protocol::kTcp},
                                                               {"main", 9090, Protocol::kGrpc}}));
  ASSERT_EQ(generated.warnings.size(), 1U);
  EXPECT_NE(generated.warnings[0].find("a and b disagree"), std::string::npos);
}

TEST(ServiceGenerator, TellsHealthAndLeavesIgnoredInboundsOut) {
  Dataplane sick = dataplane("sick", "192.0.2.1", 80, {});
  sick.inbounds[0].health_ready = false;
  Dataplane starting = dataplane("starting", "192.0.2.2", 80, {});
  starting.inbounds[0].state = InboundState::kNotReady;
  Dataplane ignored = dataplane("ignored", "192.0.2.3", 81, {});
  ignored.inbounds[0].state = InboundState::kIgnored;
  const auto generated =
      generate({sick, starting, ignored, dataplane("well", "192.0.2.4", 80, {})});
  ASSERT_EQ(generated.endpoints.size(), 3U);
  EXPECT_EQ(generated.endpoints[0].health, Health::kUnhealthy);
  EXPECT_EQ(generated.endpoints[1].health, Health::kUnhealthy);
  EXPECT_EQ(generated.endpoints[2].health, Health::kHealthy);
  EXPECT_EQ(generated.service.ports.size(), 1U);
  EXPECT_TRUE(services_of(ignored).empty());
}

TEST(ServiceGenerator, WarnsOfARepeatedEndpointAndAnUnknownProtocol) {
  const auto generated = generate({dataplane("a", "192.0.2.1", 80, {{"kuma.io/protocol", "mysql"}}),
                                   dataplane("b", "192.0.2.1", 80, {})});
  EXPECT_EQ(generated.endpoints.size(), 1U);
  EXPECT_EQ(generated.warnings.size(), 2U);
}

TEST(ServiceGenerator, NamesTheDataplaneBehindEachEndpoint) {
  Dataplane both = dataplane("both", "192.0.2.1", 80, {});
  both.inbounds.push_back(both.inbounds.front());
  both.inbounds.back().address = *IpAddress::parse("2001:db8::1");
  const auto generated = generate({both, dataplane("other", "192.0.2.2", 80, {})});
  ASSERT_EQ(generated.endpoints.size(), 3U);
  EXPECT_EQ(generated.endpoints[0].instance, "both");
  EXPECT_EQ(generated.endpoints[1].instance, "other");
  EXPECT_EQ(generated.endpoints[2].instance, "both");
}

TEST(ServiceGenerator, AddsTheDottedFormOfANameWithUnderscores) {
  EXPECT_EQ(hostnames_of("backend"), (std::vector<std::string>{"backend.mesh"}));
  EXPECT_EQ(hostnames_of("backend_shop_svc_8080"),
            (std::vector<std::string>{"backend_shop_svc_8080.mesh", "backend.shop.svc.8080.mesh"}));
  EXPECT_EQ(hostnames_of("_odd"), (std::vector<std::string>{"_odd.mesh"}));
}

}  // namespace
}  // namespace meshdns::discovery
