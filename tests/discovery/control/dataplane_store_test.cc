#include "discovery/control/dataplane_store.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/entity_source.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/hostname_generator.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "tests/support/manual_clock.h"

namespace meshdns::discovery {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

const DataplaneId kWeb{"default", "web-1"};
const EntitySource kFile{SourceKind::kDirectory, "mesh/web.yaml"};
const EntitySource kApi{SourceKind::kApi, ""};
const EntitySource kStream{SourceKind::kStream, "default.web-1 at 127.0.0.1:4711"};

DataplaneChange web_on(std::uint16_t port) {
  auto dataplane = std::make_shared<Dataplane>();
  dataplane->mesh = kWeb.mesh;
  dataplane->name = kWeb.name;
  Inbound& inbound = dataplane->inbounds.emplace_back();
  inbound.port = port;
  inbound.tags = {{"kuma.io/service", "web"}};
  return {.put = {{kWeb, {dataplane, std::make_shared<const int>(3)}}}, .removed = {}};
}

class DataplaneStoreTest : public testing::Test {
 protected:
  // Of the one that counts.
  [[nodiscard]] int port() const {
    const auto claims = store_.claims(kWeb);
    return claims.empty() ? 0 : claims.front().entity.dataplane->inbounds.front().port;
  }
  // As it is published.
  [[nodiscard]] Service service() {
    Service published;
    (void)store_.resources("default").value()->read(kServiceTypeUrl, [&](const TypeTable& table) {
      published = decode_service(table.find("default/web")->resource->value()).value();
    });
    return published;
  }
  [[nodiscard]] std::vector<std::string> hostnames() { return service().hostnames; }
  void take(const EntitySource& source, std::uint16_t port) {
    store_.change(source, web_on(port));
    store_.commit();
  }
  void drop(const EntitySource& source) {
    store_.change(source, {.put = {}, .removed = {kWeb}});
    store_.commit();
  }

  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  DataplaneStore store_{"east", logs_->logger("control")};
};

TEST_F(DataplaneStoreTest, TheFolderComesBeforeTheApiAndThatBeforeAStream) {
  take(kStream, 1);
  EXPECT_EQ(port(), 1);
  take(kApi, 2);
  EXPECT_EQ(port(), 2);
  take(kFile, 3);
  EXPECT_EQ(port(), 3);
  drop(kApi);
  EXPECT_EQ(port(), 3);
  drop(kFile);
  EXPECT_EQ(port(), 1);
  drop(kStream);
  EXPECT_THAT(store_.claims(kWeb), IsEmpty());
  EXPECT_EQ(store_.dataplanes(), 0U);
}

TEST_F(DataplaneStoreTest, NamesEachSourceThatAnotherStandsBefore) {
  take(kStream, 1);
  take(kApi, 2);
  EXPECT_THAT(store_.problems(),
              ElementsAre("the stream of default.web-1 at 127.0.0.1:4711: the dataplane "
                          "default/web-1 is already at the API"));
  take(kFile, 3);
  EXPECT_THAT(store_.problems(),
              ElementsAre("the API: the dataplane default/web-1 is already at mesh/web.yaml:3",
                          "the stream of default.web-1 at 127.0.0.1:4711: the dataplane "
                          "default/web-1 is already at mesh/web.yaml:3"));
  drop(kFile);
  drop(kStream);
  EXPECT_THAT(store_.problems(), IsEmpty());
}

TEST_F(DataplaneStoreTest, VisitsEachDataplaneOnceAsItCounts) {
  take(kStream, 1);
  take(kApi, 2);
  std::vector<std::string> places;
  store_.for_each([&](const DataplaneStore::Claim& claim) {
    places.push_back(claim.source.place(*claim.entity.line));
  });
  EXPECT_THAT(places, ElementsAre("the API"));
}

TEST_F(DataplaneStoreTest, GivesServicesTheNamesOfAGeneratorForAsLongAsItIsThere) {
  take(kApi, 80);
  auto generator = std::make_shared<Dataplane>();
  generator->kind = EntityKind::kHostnameGenerator;
  generator->name = "local";
  generator->generator = HostnameGenerator{
      .selects = {}, .match_labels = {}, .hostname_template = "{{ .Name }}.svc.mesh.local"};
  store_.change(kFile, {.put = {{generator->id(), {generator, std::make_shared<const int>(1)}}},
                        .removed = {}});
  EXPECT_EQ(store_.commit().services_generated, 1U);
  EXPECT_THAT(hostnames(), ElementsAre("web.mesh", "web.svc.mesh.local"));
  store_.change(kFile, {.put = {}, .removed = {generator->id()}});
  store_.commit();
  EXPECT_THAT(hostnames(), ElementsAre("web.mesh"));
  EXPECT_EQ(store_.dataplanes(), 1U);
}

// As where a scheduler gives each instance a port of its own. A resolver refuses what has too many.
TEST_F(DataplaneStoreTest, AServiceIsToldWithAsManyPortsAsAResolverTakes) {
  DataplaneChange change = web_on(1);
  auto dataplane = std::make_shared<Dataplane>(*change.put.front().second.dataplane);
  for (std::uint16_t port = 2; port <= 1200; ++port) {
    dataplane->inbounds.push_back(dataplane->inbounds.front());
    dataplane->inbounds.back().port = port;
  }
  change.put.front().second.dataplane = dataplane;
  store_.change(kFile, change);
  store_.commit();
  EXPECT_EQ(service().ports.size(), kMaxServicePorts);
  EXPECT_THAT(store_.warnings(),
              Contains("service default/web: it has 1200 ports, of which resolvers are told 1000"));
}

TEST_F(DataplaneStoreTest, AServiceIsToldWithAsManyEndpointsAsAResolverTakes) {
  DataplaneChange change = web_on(1);
  auto dataplane = std::make_shared<Dataplane>(*change.put.front().second.dataplane);
  dataplane->inbounds.resize(kMaxServiceEndpoints + 2, dataplane->inbounds.front());
  for (std::size_t i = 0; i < dataplane->inbounds.size(); ++i) {
    dataplane->inbounds[i].address =
        *IpAddress::parse(fmt::format("10.{}.{}.{}", i >> 16U, i >> 8U & 0xffU, i & 0xffU));
  }
  change.put.front().second.dataplane = dataplane;
  store_.change(kFile, change);
  store_.commit();
  std::size_t told = 0;
  (void)store_.resources("default").value()->read(
      kClusterLoadAssignmentTypeUrl, [&](const TypeTable& table) {
        const auto endpoints = decode_endpoints(table.find("default/web")->resource->value());
        ASSERT_TRUE(endpoints) << endpoints.error().message;
        told = endpoints->endpoints.size();
      });
  EXPECT_EQ(told, kMaxServiceEndpoints);
  EXPECT_THAT(
      store_.warnings(),
      Contains("service default/web: it has 100002 endpoints, of which resolvers are told 100000"));
}

// Clients choose the names of meshes, where their dataplanes register themselves.
TEST_F(DataplaneStoreTest, KeepsNothingOfAMeshThatIsGone) {
  const support::ManualClock clock;
  store_.serve_name_tables(clock);
  take(kFile, 1);
  const std::weak_ptr<ResourceSet> mesh = store_.resources("default").value();
  drop(kFile);
  EXPECT_TRUE(mesh.expired());
  take(kFile, 1);
  EXPECT_EQ(hostnames().front(), "web.mesh");
}

// Each is put together of all names, and each client is told it whole.
TEST_F(DataplaneStoreTest, ANameTableThatChangesAllTheTimeIsToldNowAndThen) {
  support::ManualClock clock;
  store_.serve_name_tables(clock);
  DataplaneChange change;
  for (int i = 0; i < 20'000; ++i) {
    DataplaneChange one = web_on(1);
    auto dataplane = std::make_shared<Dataplane>(*one.put.front().second.dataplane);
    dataplane->name = fmt::format("instance-{}", i);
    dataplane->inbounds.front().tags = {{"kuma.io/service", fmt::format("service-{}", i)}};
    dataplane->inbounds.front().address = *IpAddress::parse("192.0.2.1");
    change.put.push_back({dataplane->id(), {dataplane, std::make_shared<const int>(1)}});
  }
  const auto table_octets = [this] {
    std::size_t octets = 0;
    (void)store_.resources("default").value()->read(kNameTableTypeUrl, [&](const TypeTable& table) {
      octets = table.find("")->resource->value().size();
    });
    return octets;
  };
  store_.change(kFile, change);
  store_.commit();
  const std::size_t all = table_octets();
  ASSERT_GT(all, 100'000U);

  store_.change(kFile, {.put = {}, .removed = {change.put.front().first}});
  store_.commit();
  store_.tell_name_tables();
  EXPECT_EQ(table_octets(), all) << "not yet";
  clock.advance(std::chrono::seconds(1));
  store_.tell_name_tables();
  EXPECT_LT(table_octets(), all);
  // After quiet at once.
  clock.advance(std::chrono::seconds(1));
  store_.change(kFile, {.put = {change.put.front()}, .removed = {}});
  store_.commit();
  EXPECT_EQ(table_octets(), all);
}

TEST_F(DataplaneStoreTest, AServiceIsToldWithAsManyNamesAsAResolverTakesItsOwnFirst) {
  DataplaneChange change = web_on(80);
  for (int i = 0; i < 100; ++i) {
    auto generator = std::make_shared<Dataplane>();
    generator->kind = EntityKind::kHostnameGenerator;
    generator->name = fmt::format("g{}", i);
    generator->generator =
        HostnameGenerator{.selects = {},
                          .match_labels = {},
                          .hostname_template = fmt::format("{{{{ .Name }}}}.g{}.mesh", i)};
    change.put.push_back({generator->id(), {generator, std::make_shared<const int>(1)}});
  }
  store_.change(kFile, change);
  store_.commit();
  EXPECT_EQ(hostnames().size(), kMaxServiceHostnames);
  EXPECT_EQ(hostnames().front(), "web.mesh");
  EXPECT_THAT(
      store_.warnings(),
      Contains("service default/web: it has 101 hostnames, of which resolvers are told 64"));
}

TEST_F(DataplaneStoreTest, AServiceIsToldWithAsManyAddressesAsAResolverTakes) {
  DataplaneChange change;
  for (std::uint8_t block = 0; block < 5; ++block) {
    for (std::uint8_t host = 1; host <= 240; ++host) {
      auto external = std::make_shared<Dataplane>();
      external->kind = EntityKind::kExternalService;
      external->mesh = "default";
      external->name = fmt::format("web-{}-{}", block, host);
      Inbound& inbound = external->inbounds.emplace_back();
      inbound.address = IpAddress(std::array<std::uint8_t, 4>{198, 51, block, host});
      inbound.port = 443;
      inbound.tags = {{"kuma.io/service", "web"}};
      change.put.push_back({external->id(), {external, std::make_shared<const int>(1)}});
    }
  }
  store_.change(kFile, change);
  store_.commit();
  EXPECT_EQ(service().addresses.size(), kMaxServiceAddresses);
  EXPECT_THAT(
      store_.warnings(),
      Contains("service default/web: it has 1200 addresses, of which resolvers are told 1000"));
}

TEST_F(DataplaneStoreTest, AnExternalServiceHasItsHostsAddressAndIsNoDataplane) {
  auto external = std::make_shared<Dataplane>();
  external->kind = EntityKind::kExternalService;
  external->mesh = "default";
  external->name = "web-1";
  Inbound& inbound = external->inbounds.emplace_back();
  inbound.address = IpAddress::parse("192.0.2.7").value();
  inbound.port = 443;
  inbound.tags = {{"kuma.io/service", "web"}};
  store_.change(kFile, {.put = {{external->id(), {external, std::make_shared<const int>(1)}}},
                        .removed = {}});
  store_.commit();
  EXPECT_THAT(service().addresses, ElementsAre(inbound.address));
  EXPECT_EQ(store_.dataplanes(), 0U);
  take(kApi, 80);
  EXPECT_THAT(service().addresses, IsEmpty()) << "with a dataplane it is one of the mesh";
  EXPECT_EQ(store_.dataplanes(), 1U);
}

}  // namespace
}  // namespace meshdns::discovery
