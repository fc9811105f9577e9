#include "discovery/feeds/istio_node.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {
namespace {

using testing::Pair;
using testing::UnorderedElementsAre;

IstioProxy proxy() {
  return {.workload = "vm-1",
          .name_space = "shop",
          .domain = "svc.cluster.local",
          .address = *IpAddress::parse("192.0.2.7"),
          .metadata = {}};
}

TEST(IstioNode, IsASidecarThatCapturesDns) {
  const auto node = istio_node(proxy(), "meshdns/1");
  EXPECT_EQ(node.id, "sidecar~192.0.2.7~vm-1.shop~shop.svc.cluster.local");
  EXPECT_EQ(node.cluster, "vm-1.shop");
  EXPECT_EQ(node.user_agent, "meshdns/1");
  EXPECT_THAT(node.metadata,
              UnorderedElementsAre(Pair("DNS_CAPTURE", "true"), Pair("DNS_AUTO_ALLOCATE", "true"),
                                   Pair("CLUSTER_ID", "Kubernetes"), Pair("NAMESPACE", "shop"),
                                   Pair("INSTANCE_IPS", "192.0.2.7")));
}

TEST(IstioNode, WhatIsSaidCountsMoreThanTheDefault) {
  IstioProxy given = proxy();
  given.address = *IpAddress::parse("2001:db8::7");
  given.metadata = {{"CLUSTER_ID", "east"}, {"NETWORK", "vms"}};
  const auto node = istio_node(given, "meshdns/1");
  EXPECT_EQ(node.id, "sidecar~2001:db8::7~vm-1.shop~shop.svc.cluster.local");
  EXPECT_EQ(node.metadata.at("CLUSTER_ID"), "east");
  EXPECT_EQ(node.metadata.at("NETWORK"), "vms");
}

}  // namespace
}  // namespace meshdns::discovery
