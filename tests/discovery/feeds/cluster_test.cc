#include "discovery/feeds/cluster.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "tests/support/xds_messages.h"

namespace meshdns::discovery {
namespace {

using Message = envoy::config::cluster::v3::Cluster;
using support::cluster_with;
using support::eds_cluster;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const ClusterNaming kNaming{.mesh = "default", .zones = {"mesh"}};

Cluster decoded(const std::string& value) {
  const auto result = decode_cluster(value, kNaming);
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message);
  return result.value_or(Cluster());
}

TEST(Cluster, IsAServiceWithOneHostnameWhoseAddressIsGivenHere) {
  const Cluster web = decoded(eds_cluster("Web"));
  EXPECT_EQ(web.service.id, (ServiceId{"default", "Web"}));
  EXPECT_THAT(web.service.hostnames, ElementsAre("web.mesh"));
  EXPECT_THAT(web.service.addresses, IsEmpty());
  EXPECT_THAT(web.service.ports, IsEmpty());
  EXPECT_EQ(web.service.answers, Answers::kDefault);
  EXPECT_THAT(web.left_out, IsEmpty());
}

TEST(Cluster, OfEdsGoesByItsServiceNameOrElseItsOwn) {
  EXPECT_EQ(decoded(eds_cluster("web")).assignment, "web");
  EXPECT_EQ(decoded(eds_cluster("web", "shop/web")).assignment, "shop/web");
  EXPECT_EQ(decoded(eds_cluster("web")).endpoints, std::nullopt);
}

TEST(Cluster, OfOtherTypesHasTheAddressesThatItBringsAlong) {
  const Endpoint one{.address = IpAddress::parse("192.0.2.1").value(),
                     .port = 80,
                     .zone = "east",
                     .health = Health::kUnknown,
                     .instance = {}};
  for (const int type : {Message::STATIC, Message::STRICT_DNS, Message::LOGICAL_DNS}) {
    const Cluster web = decoded(cluster_with(type, "web", {"192.0.2.1"}));
    EXPECT_EQ(web.endpoints, std::vector{one}) << type;
    EXPECT_THAT(web.assignment, IsEmpty()) << type;
    EXPECT_EQ(decoded(cluster_with(type, "web", {})).endpoints, std::nullopt) << type;
  }
  for (const int type : {Message::STRICT_DNS, Message::LOGICAL_DNS}) {
    EXPECT_EQ(decoded(cluster_with(type, "web", {"www.example.org"})).endpoints, std::nullopt);
    EXPECT_EQ(decoded(cluster_with(type, "web", {"www.example.org", "192.0.2.1"})).endpoints,
              std::vector{one});
  }
}

TEST(Cluster, OfNoTypeIsAService) {
  Message message;  // as one of a custom cluster_type
  message.set_name("web");
  const Cluster web = decoded(message.SerializeAsString());
  EXPECT_THAT(web.left_out, IsEmpty());
  EXPECT_THAT(web.assignment, IsEmpty());
  EXPECT_EQ(web.endpoints, std::nullopt);
}

TEST(Cluster, IsLeftOutWhereItNamesNoHost) {
  EXPECT_THAT(decoded(eds_cluster("outbound|80||web.shop")).left_out,
              HasSubstr("'outbound|80||web.shop' is no DNS name"));
  EXPECT_THAT(decoded(cluster_with(Message::ORIGINAL_DST, "PassthroughCluster", {})).left_out,
              HasSubstr("ORIGINAL_DST"));
}

TEST(Cluster, IsRefusedByTheFieldThatIsWrong) {
  const auto error_of = [](const std::string& value) {
    const auto result = decode_cluster(value, kNaming);
    return result ? "" : result.error().message;
  };
  EXPECT_THAT(error_of("\xff"), HasSubstr("the value is no Cluster"));
  EXPECT_THAT(error_of(""), HasSubstr("name: is empty"));
  EXPECT_THAT(error_of(cluster_with(Message::STATIC, "web", {"www.example.org"})),
              HasSubstr("load_assignment: endpoint address: 'www.example.org' is no IP address"));
  EXPECT_THAT(error_of(cluster_with(Message::STRICT_DNS, "web", {"0.0.0.0"})),
              HasSubstr("load_assignment: endpoint address: '0.0.0.0' is no IP address"));
}

TEST(Cluster, IsStoredWithoutWhatOnlyProxiesNeed) {
  constexpr int kTransportSocket = 24;  // which may hold a private key
  Message message;
  ASSERT_TRUE(message.ParseFromString(eds_cluster("web", "shop/web")));
  message.mutable_connect_timeout()->set_seconds(5);
  message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(kTransportSocket,
                                                                              "secret");
  const Cluster web = decoded(message.SerializeAsString());
  EXPECT_THAT(web.stored, Not(HasSubstr("secret")));
  const Cluster again = decoded(web.stored);
  EXPECT_EQ(again.service, web.service);
  EXPECT_EQ(again.assignment, "shop/web");
  const Cluster fixed = decoded(cluster_with(Message::STATIC, "fixed", {"192.0.2.1"}));
  EXPECT_EQ(decoded(fixed.stored).endpoints, fixed.endpoints);
}

}  // namespace
}  // namespace meshdns::discovery
