#include "discovery/xds/discovery_method.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "discovery/xds/request.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

TEST(DiscoveryMethod, OfTheAggregatedServiceIsForAnyType) {
  const std::string service = "/envoy.service.discovery.v3.AggregatedDiscoveryService/";
  EXPECT_EQ(find_discovery_method(service + "StreamAggregatedResources"),
            (DiscoveryMethod{XdsVariant::kSotw, {}}));
  EXPECT_EQ(find_discovery_method(service + "DeltaAggregatedResources"),
            (DiscoveryMethod{XdsVariant::kDelta, {}}));
}

TEST(DiscoveryMethod, OfAnotherServiceIsForItsTypeAlone) {
  struct Case {
    std::string service;
    std::string what;
    std::string_view type_url;
  };
  for (const Case& row :
       {Case{"listener.v3.Listener", "Listeners", kListenerTypeUrl},
        Case{"route.v3.Route", "Routes", kRouteTypeUrl},
        Case{"cluster.v3.Cluster", "Clusters", kClusterTypeUrl},
        Case{"endpoint.v3.Endpoint", "Endpoints", kClusterLoadAssignmentTypeUrl}}) {
    const std::string service = "/envoy.service." + row.service + "DiscoveryService/";
    EXPECT_EQ(find_discovery_method(service + "Stream" + row.what),
              (DiscoveryMethod{XdsVariant::kSotw, row.type_url}));
    EXPECT_EQ(find_discovery_method(service + "Delta" + row.what),
              (DiscoveryMethod{XdsVariant::kDelta, row.type_url}));
    EXPECT_FALSE(find_discovery_method(service + "Fetch" + row.what));
  }
}

TEST(DiscoveryMethod, WhatIsNotServedIsNone) {
  for (const char* const path :
       {"", "/", "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
        "envoy.service.route.v3.RouteDiscoveryService/StreamRoutes",
        "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes/"}) {
    EXPECT_FALSE(find_discovery_method(path)) << path;
  }
}

}  // namespace
}  // namespace meshdns::discovery
