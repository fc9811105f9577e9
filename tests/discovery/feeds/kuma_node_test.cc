#include "discovery/feeds/kuma_node.h"

#include <string>

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "discovery/xds/client_subscription.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::discovery {
namespace {

// As the control plane reads it: a Struct, in the first request.
google::protobuf::Struct sent_metadata(const NodeInfo& node) {
  ClientSubscription subscription(kListenerTypeUrl, {.wildcard = true, .names = {}});
  envoy::service::discovery::v3::DeltaDiscoveryRequest request;
  EXPECT_TRUE(request.ParseFromString(subscription.begin(XdsVariant::kDelta, &node).at(0)));
  EXPECT_EQ(request.node().id(), node.id);
  return request.node().metadata();
}

TEST(KumaNode, SaysWhatADnsTableTakes) {
  const NodeInfo node = kuma_node({.mesh = "default",
                                   .name = "client-1",
                                   .dataplane = "type: Dataplane\n",
                                   .dns_port = 15053,
                                   .work_directory = "/var/lib/meshdns/default"},
                                  "meshdns/1");
  EXPECT_EQ(node.id, "default.client-1");
  google::protobuf::Struct want;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(R"({
      "dataplane.proxyType": "dataplane",
      "dataplane.dns.port": "15053",
      "dataplane.resource": "type: Dataplane\n",
      "workdir": "/var/lib/meshdns/default",
      "features": ["feature-transparent-proxy-in-dataplane-metadata", "feature-embedded-dns"],
      "transparentProxy": {
        "ipFamilyMode": "dualstack",
        "redirect": {
          "inbound": {"enabled": true, "port": 15006},
          "outbound": {"enabled": true, "port": 15001},
          "dns": {"enabled": true, "port": 15053}}}})",
                                                          &want)
                  .ok());
  EXPECT_EQ(sent_metadata(node).DebugString(), want.DebugString());
}

TEST(KumaNode, HasNoResourceWhereTheDataplaneIsThereAlready) {
  const auto metadata = sent_metadata(kuma_node(
      {.mesh = "m", .name = "n", .dataplane = "", .dns_port = 53, .work_directory = "/tmp"}, ""));
  EXPECT_FALSE(metadata.fields().contains("dataplane.resource"));
  EXPECT_EQ(metadata.fields().at("dataplane.dns.port").string_value(), "53");
}

}  // namespace
}  // namespace meshdns::discovery
