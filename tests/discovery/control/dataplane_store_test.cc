#include "discovery/control/dataplane_store.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/entity_source.h"
#include "discovery/dataplane.h"

namespace meshdns::discovery {
namespace {

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

}  // namespace
}  // namespace meshdns::discovery
