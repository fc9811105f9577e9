#include "discovery/xds/resource_set.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/xds/resource.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryResponse;
using testing::ElementsAre;

const std::string kService{kServiceTypeUrl};

ResourceUpdate service(std::string name, std::string value) {
  return {kService, std::move(name), std::move(value)};
}

std::vector<std::string> names_since(const TypeTable& table, std::uint64_t sequence) {
  std::vector<std::string> names;
  for (auto at = table.log().upper_bound(sequence); at != table.log().end(); ++at) {
    names.push_back((at->second->resource == nullptr ? "-" : "+") + at->second->name);
  }
  return names;
}

std::vector<std::string> names_since(const ResourceSet& set, std::uint64_t sequence) {
  std::vector<std::string> names;
  set.read(kServiceTypeUrl, [&](const TypeTable& table) { names = names_since(table, sequence); });
  return names;
}

std::uint64_t head_of(const ResourceSet& set) {
  std::uint64_t head = 0;
  set.read(kServiceTypeUrl, [&](const TypeTable& table) { head = table.head(); });
  return head;
}

std::string version_of(const ResourceSet& set) {
  std::string version;
  set.read(kServiceTypeUrl, [&](const TypeTable& table) { version = table.version(); });
  return version;
}

TEST(Resource, ItsBytesAreAnEntryOfBothKindsOfResponse) {
  for (const std::size_t size : {0UL, 1UL, 100UL, 127UL, 128UL, 20'000UL}) {
    const std::string value(size, 'v');
    const Resource resource(kServiceTypeUrl, "default/web", value);

    DeltaDiscoveryResponse delta;
    ASSERT_TRUE(delta.ParseFromString(std::string(resource.delta_entry())));
    ASSERT_EQ(delta.resources_size(), 1);
    EXPECT_EQ(delta.resources(0).name(), "default/web");
    EXPECT_EQ(delta.resources(0).version(), resource.version());
    EXPECT_EQ(delta.resources(0).resource().type_url(), kServiceTypeUrl);
    EXPECT_EQ(delta.resources(0).resource().value(), value);

    DiscoveryResponse sotw;
    ASSERT_TRUE(sotw.ParseFromString(std::string(resource.sotw_entry())));
    ASSERT_EQ(sotw.resources_size(), 1);
    EXPECT_EQ(sotw.resources(0).type_url(), kServiceTypeUrl);
    EXPECT_EQ(sotw.resources(0).value(), value);

    EXPECT_EQ(resource.name(), "default/web");
    EXPECT_EQ(resource.value(), value);
  }
}

TEST(Resource, ItsVersionFollowsNameAndValueAndNothingElse) {
  const Resource one(kServiceTypeUrl, "a", "bc");
  EXPECT_EQ(one.version(), Resource(kServiceTypeUrl, "a", "bc").version());
  EXPECT_NE(one.version(), Resource(kServiceTypeUrl, "ab", "c").version());
  EXPECT_NE(one.version(), Resource(kServiceTypeUrl, "a", "bd").version());
  // Frozen: another replica, or an older one, must agree.
  EXPECT_EQ(one.version(), "028d4aba4bf993b3");
}

TEST(ResourceSet, SerialisesEachResourceOnce) {
  ResourceSet set;
  std::vector<ResourceUpdate> updates;
  for (int i = 0; i < 1000; ++i) {
    updates.push_back(service("default/s" + std::to_string(i), "value"));
  }
  set.apply(updates, {});
  EXPECT_EQ(set.stats().resources, 1000U);
  EXPECT_EQ(set.stats().serialisations, 1000U);

  set.apply(updates, {});
  EXPECT_EQ(set.stats().serialisations, 1000U) << "unchanged bytes are no change";
  EXPECT_EQ(set.stats().commits, 1U);

  set.apply({service("default/s7", "other")}, {});
  EXPECT_EQ(set.stats().serialisations, 1001U);
  EXPECT_EQ(set.stats().resources, 1000U);
}

TEST(ResourceSet, TheLogHoldsEachNameOnceAtItsLatestChange) {
  ResourceSet set;
  set.apply({service("a", "1"), service("b", "1"), service("c", "1")}, {});
  const std::uint64_t before = head_of(set);
  set.apply({service("b", "2")}, {});
  set.apply({service("b", "3")}, {{kService, "a"}});

  EXPECT_THAT(names_since(set, before), ElementsAre("+b", "-a"));
  EXPECT_THAT(names_since(set, 0), ElementsAre("+c", "+b", "-a"));
}

TEST(ResourceSet, ANameInBothListsEndsUpRemoved) {
  ResourceSet set;
  set.apply({service("a", "1")}, {{kService, "a"}});
  EXPECT_EQ(set.stats().resources, 0U);
}

TEST(ResourceSet, TheTableVersionIsThatOfTheContentWhateverTheHistory) {
  ResourceSet one;
  one.apply({service("a", "1"), service("b", "1")}, {});
  ResourceSet other;
  other.apply({service("b", "0"), service("x", "1")}, {});
  other.apply({service("b", "1")}, {});
  other.apply({service("a", "1")}, {{kService, "x"}});
  EXPECT_EQ(version_of(one), version_of(other));

  other.apply({service("a", "2")}, {});
  EXPECT_NE(version_of(one), version_of(other));
}

TEST(ResourceSet, AnUnknownTypeHasNoTableAndAKnownOneIsEmpty) {
  const ResourceSet set;
  EXPECT_FALSE(set.read("type.googleapis.com/example.Unknown", [](const TypeTable&) { FAIL(); }));
  std::size_t size = 1;
  EXPECT_TRUE(set.read(kServiceTypeUrl, [&](const TypeTable& table) { size = table.size(); }));
  EXPECT_EQ(size, 0U);
}

TEST(ResourceSet, ForgetsOldRemovalsSoThatMemoryFollowsTheTable) {
  TypeTable table{kService};
  table.update("keep", "value");
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "gone" + std::to_string(i);
    table.update(name, "value");
    table.remove(name);
  }
  EXPECT_EQ(table.size(), 1U);
  EXPECT_LE(table.log().size(), 4097U);
  EXPECT_GT(table.horizon(), 0U);
  EXPECT_LT(table.horizon(), table.head());
  EXPECT_NE(table.find("keep"), nullptr);
  EXPECT_EQ(table.find("gone5"), nullptr);
  EXPECT_TRUE(table.update("gone5", "back"));
  EXPECT_NE(table.find("gone5"), nullptr);
}

TEST(ResourceSet, ListenersRunAfterEachRealCommitUntilRemoved) {
  ResourceSet set;
  int calls = 0;
  const std::uint64_t token = set.add_listener([&] { ++calls; });
  set.apply({service("a", "1")}, {});
  set.apply({service("a", "1")}, {});
  set.apply({}, {{kService, "nothing"}});
  EXPECT_EQ(calls, 1);
  set.remove_listener(token);
  set.apply({service("a", "2")}, {});
  EXPECT_EQ(calls, 1);
}

TEST(TypeTable, ItsBodyIsBuiltOnceForAllWhoWantItAndGoesWithThem) {
  TypeTable table{kService};
  table.update("a", "1");
  table.update("b", "2");
  const auto body = table.delta_body();
  EXPECT_EQ(table.delta_body(), body);
  EXPECT_EQ(body.use_count(), 1) << "the table keeps no copy";

  table.update("b", "3");
  EXPECT_NE(table.delta_body(), body);
}

TEST(TypeTable, ItsDeltaBodyIsCutAtAMebibyteAndCoversTheLogWithoutGaps) {
  TypeTable table{kService};
  for (int i = 0; i < 40; ++i) {
    table.update("s" + std::to_string(i), std::string(100'000, 'x'));
  }
  table.remove("s3");
  const auto body = table.delta_body();
  ASSERT_GT(body->chunks.size(), 3U);
  std::uint64_t end = 0;
  int resources = 0;
  for (const TypeTable::Chunk& chunk : body->chunks) {
    EXPECT_EQ(chunk.begin, end);
    end = chunk.end;
    EXPECT_LE(chunk.bytes.bytes.size(), TypeTable::kChunkBytes);
    DeltaDiscoveryResponse response;
    ASSERT_TRUE(response.ParseFromString(std::string(chunk.bytes.bytes)));
    resources += response.resources_size();
  }
  EXPECT_EQ(end, table.head());
  EXPECT_EQ(resources, 39);
  EXPECT_EQ(table.sotw_body()->chunks.size(), 1U);
}

}  // namespace
}  // namespace meshdns::discovery
