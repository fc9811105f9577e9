#include "discovery/xds/resource_versions.h"

#include <map>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::map<std::string, std::string> all(const ResourceVersions& versions) {
  std::map<std::string, std::string> all;
  versions.for_each([&](std::string_view name, std::string_view version) {
    EXPECT_TRUE(all.emplace(name, version).second) << name;
  });
  EXPECT_EQ(all.size(), versions.size());
  return all;
}

TEST(ResourceVersions, HasTheNewestOfEachName) {
  ResourceVersions versions;
  versions.set("default/web", "1");
  versions.set("default/db", "");
  versions.set("default/web", "2-and-longer");
  EXPECT_THAT(all(versions),
              ElementsAre(Pair("default/db", ""), Pair("default/web", "2-and-longer")));
  EXPECT_TRUE(versions.has("default/web", "2-and-longer"));
  EXPECT_FALSE(versions.has("default/web", "1"));
  EXPECT_TRUE(versions.has("default/db", ""));
  EXPECT_FALSE(versions.has("default/d", ""));
}

TEST(ResourceVersions, TellsNamesApartThatRunIntoTheirVersions) {
  ResourceVersions versions;
  versions.set("ab", "c");
  versions.set("a", "bc");
  versions.set("", "abc");
  versions.set(std::string_view("a\0", 2), "c");
  EXPECT_EQ(all(versions).size(), 4U);
  EXPECT_TRUE(versions.has("", "abc"));
}

TEST(ResourceVersions, ForgetsWhatGoes) {
  ResourceVersions versions;
  for (const auto* const name : {"a", "b", "c"}) {
    versions.set(name, "1");
  }
  versions.erase("b");
  versions.erase("x");
  EXPECT_THAT(all(versions), ElementsAre(Pair("a", "1"), Pair("c", "1")));
  versions.keep_if([](std::string_view name) { return name == "c"; });
  EXPECT_THAT(all(versions), ElementsAre(Pair("c", "1")));
  versions.clear();
  EXPECT_THAT(all(versions), IsEmpty());
}

TEST(ResourceVersions, AreKeptOfManyResources) {
  ResourceVersions versions;
  for (int i = 0; i < 10'000; ++i) {
    versions.set("default/service-" + std::to_string(i), std::to_string(i % 7));
  }
  for (int i = 0; i < 10'000; i += 2) {
    versions.erase("default/service-" + std::to_string(i));
  }
  EXPECT_EQ(versions.size(), 5'000U);
  EXPECT_TRUE(versions.has("default/service-9999", "3"));
  EXPECT_FALSE(versions.has("default/service-9998", "2"));
}

}  // namespace
}  // namespace meshdns::discovery
