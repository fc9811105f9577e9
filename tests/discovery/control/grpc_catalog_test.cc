#include "discovery/control/grpc_catalog.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/control/grpc_rules.h"
#include "discovery/control/mesh_change.h"
#include "discovery/control/service_generator.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

GeneratedService service(const std::string& name, const std::vector<std::uint16_t>& ports,
                         const std::string& zone = "east") {
  GeneratedService generated;
  generated.service.id = {"default", name};
  generated.service.hostnames = hostnames_of(name);
  for (const std::uint16_t port : ports) {
    generated.service.ports.push_back({"main", port, Protocol::kGrpc});
    generated.endpoints.push_back(
        {*IpAddress::parse("192.0.2.1"), port, zone, Health::kHealthy, name + "-1"});
  }
  return generated;
}

// Where a listener leads.
std::string routes_of(const std::string& value) {
  envoy::config::listener::v3::Listener listener;
  EXPECT_TRUE(listener.ParseFromString(value));
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  EXPECT_TRUE(listener.api_listener().api_listener().UnpackTo(&manager));
  return manager.rds().route_config_name();
}

// What the last changes do to the mesh "default", sorted: "+TYPE NAME", "-TYPE NAME", and
// "+listener NAME -> ROUTES".
std::vector<std::string> changes_of(GrpcCatalog& catalog) {
  GrpcCatalog::Changes changes = catalog.take_changes();
  const MeshChange& change = changes.meshes["default"];
  EXPECT_LE(changes.meshes.size(), 1U);
  std::vector<std::string> all;
  for (const ResourceUpdate& update : change.updates) {
    all.push_back(fmt::format("+{} {}", type_label(update.type_url), update.name));
    if (update.type_url == kListenerTypeUrl) {
      all.back() += " -> " + routes_of(update.value);
    }
  }
  for (const ResourceRemoval& removal : change.removals) {
    all.push_back(fmt::format("-{} {}", type_label(removal.type_url), removal.name));
  }
  std::ranges::sort(all);
  return all;
}

TEST(GrpcCatalog, AServiceIsReachedByEachOfItsNamesAndPorts) {
  GrpcCatalog catalog;
  (void)catalog.put(service("back_end", {80, 81}));
  EXPECT_THAT(changes_of(catalog),
              ElementsAre("+cluster default/back_end:80", "+cluster default/back_end:81",
                          "+endpoint default/back_end:80", "+endpoint default/back_end:81",
                          "+listener back.end.mesh:80 -> default/back_end:80",
                          "+listener back.end.mesh:81 -> default/back_end:81",
                          "+listener back_end.mesh:80 -> default/back_end:80",
                          "+listener back_end.mesh:81 -> default/back_end:81",
                          "+route default/back_end:80", "+route default/back_end:81"));
  EXPECT_THAT(changes_of(catalog), IsEmpty());
}

TEST(GrpcCatalog, APortThatGoesTakesItsResourcesWithIt) {
  GrpcCatalog catalog;
  (void)catalog.put(service("web", {80, 81}));
  (void)changes_of(catalog);
  (void)catalog.put(service("web", {81, 82}));
  EXPECT_THAT(
      changes_of(catalog),
      ElementsAre("+cluster default/web:81", "+cluster default/web:82", "+endpoint default/web:81",
                  "+endpoint default/web:82", "+listener web.mesh:81 -> default/web:81",
                  "+listener web.mesh:82 -> default/web:82", "+route default/web:81",
                  "+route default/web:82", "-cluster default/web:80", "-endpoint default/web:80",
                  "-listener web.mesh:80", "-route default/web:80"));
  catalog.remove({"default", "web"});
  EXPECT_THAT(
      changes_of(catalog),
      ElementsAre("-cluster default/web:81", "-cluster default/web:82", "-endpoint default/web:81",
                  "-endpoint default/web:82", "-listener web.mesh:81", "-listener web.mesh:82",
                  "-route default/web:81", "-route default/web:82"));
  catalog.remove({"default", "web"});
  EXPECT_THAT(changes_of(catalog), IsEmpty());
}

TEST(GrpcCatalog, AServicesOwnNameGoesBeforeADottedForm) {
  GrpcCatalog catalog;
  (void)catalog.put(service("a_b", {80}));
  (void)changes_of(catalog);
  (void)catalog.put(service("a.b", {80}));
  EXPECT_THAT(changes_of(catalog),
              ElementsAre("+cluster default/a.b:80", "+endpoint default/a.b:80",
                          "+listener a.b.mesh:80 -> default/a.b:80", "+route default/a.b:80"));
  ASSERT_EQ(catalog.contests().size(), 1U);
  EXPECT_THAT(catalog.contests().front(), HasSubstr("default/a.b at a.b.mesh:80, and not"));
  // Whoever was second has the name when the first goes, in one commit and without a removal.
  catalog.remove({"default", "a.b"});
  EXPECT_THAT(changes_of(catalog),
              ElementsAre("+listener a.b.mesh:80 -> default/a_b:80", "-cluster default/a.b:80",
                          "-endpoint default/a.b:80", "-route default/a.b:80"));
  EXPECT_THAT(catalog.contests(), IsEmpty());
}

TEST(GrpcCatalog, ANameThatChangesHandsInOneCommitIsNotRemoved) {
  GrpcCatalog catalog;
  (void)catalog.put(service("a.b", {80}));
  (void)changes_of(catalog);
  catalog.remove({"default", "a.b"});
  (void)catalog.put(service("a_b", {80}));
  EXPECT_THAT(changes_of(catalog), testing::Contains("+listener a.b.mesh:80 -> default/a_b:80"));
}

TEST(GrpcCatalog, AContestIsToldOnce) {
  GrpcCatalog catalog;
  (void)catalog.put(service("a.b", {80}));
  (void)catalog.put(service("a_b", {80}));
  EXPECT_EQ(catalog.take_changes().contests.size(), 1U);
  (void)catalog.put(service("a_b", {80}));
  EXPECT_THAT(catalog.take_changes().contests, IsEmpty());
}

TEST(GrpcCatalog, WhatGrpcWouldRefuseIsLeftOutAndNamed) {
  GrpcCatalog catalog;
  (void)catalog.put(service("web", {80}, std::string(kMaxGrpcResourceBytes, 'z')));
  (void)catalog.put(service("shop", {80}));
  const auto changes = changes_of(catalog);
  EXPECT_THAT(changes, testing::Contains("+endpoint default/shop:80"));
  EXPECT_THAT(changes, testing::Contains("-endpoint default/web:80"));
  EXPECT_THAT(changes, testing::Contains("+route default/web:80"));
  ASSERT_EQ(catalog.refused_count(), 1U);
  EXPECT_EQ(catalog.refused().front().service, (ServiceId{"default", "web"}));
  EXPECT_THAT(catalog.refused().front().reason, HasSubstr("the endpoints 'default/web:80'"));

  (void)catalog.put(service("web", {80}));
  EXPECT_THAT(changes_of(catalog), testing::Contains("+endpoint default/web:80"));
  EXPECT_EQ(catalog.refused_count(), 0U);
}

TEST(GrpcCatalog, WhatWasRefusedGoesWithItsService) {
  GrpcCatalog catalog;
  (void)catalog.put(service("web", {80}, std::string(kMaxGrpcResourceBytes, 'z')));
  (void)catalog.take_changes();
  catalog.remove({"default", "web"});
  EXPECT_EQ(catalog.refused_count(), 0U);
}

}  // namespace
}  // namespace meshdns::discovery
