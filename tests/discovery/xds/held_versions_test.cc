#include "discovery/xds/held_versions.h"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::map<std::string, std::string> all(const HeldVersions& versions) {
  std::map<std::string, std::string> all;
  versions.for_each([&](std::string_view name, std::string_view version) {
    EXPECT_TRUE(all.emplace(name, version).second) << name;
  });
  EXPECT_EQ(all.size(), versions.size());
  return all;
}

TEST(HeldVersions, HasTheNewestOfEachName) {
  HeldVersions versions;
  versions.set("default/web", "1");
  versions.set("default/db", "");
  versions.set("default/web", "2-and-longer");
  EXPECT_THAT(all(versions),
              ElementsAre(Pair("default/db", ""), Pair("default/web", "2-and-longer")));
  EXPECT_EQ(versions.find("default/web"), "2-and-longer");
  EXPECT_EQ(versions.find("default/db"), "");
  EXPECT_EQ(versions.find("default/d"), std::nullopt);
}

TEST(HeldVersions, TellsNamesApartThatRunIntoTheirVersions) {
  HeldVersions versions;
  versions.set("ab", "c");
  versions.set("a", "bc");
  versions.set("", "abc");
  versions.set(std::string_view("a\0", 2), "c");
  EXPECT_EQ(all(versions).size(), 4U);
  EXPECT_EQ(versions.find(""), "abc");
}

TEST(HeldVersions, TakesNamesAndVersionsOfAnyLength) {
  for (const std::size_t octets :
       {0U, 1U, 127U, 128U, 253U, 254U, 255U, 300U, 16'383U, 16'384U, 100'000U}) {
    const std::string name(octets, 'n');
    const std::string text(octets, '\xff');
    HeldVersions versions{{name, text}};
    EXPECT_EQ(versions.find(name), text);
    versions.set(name, "short");
    EXPECT_EQ(versions.find(name), "short");
    versions.set(name, text);
    EXPECT_THAT(all(versions), ElementsAre(Pair(name, text)));
  }
}

TEST(HeldVersions, AreCopied) {
  HeldVersions versions{{"a", "1"}, {"b", "2"}};
  const HeldVersions copy = versions;
  versions.set("a", "3");
  versions.erase("b");
  EXPECT_THAT(all(copy), ElementsAre(Pair("a", "1"), Pair("b", "2")));
  versions = copy;
  EXPECT_THAT(all(versions), ElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST(HeldVersions, ForgetsWhatGoes) {
  HeldVersions versions;
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

TEST(HeldVersions, AreKeptOfManyResources) {
  HeldVersions versions;
  for (int i = 0; i < 10'000; ++i) {
    versions.set("default/service-" + std::to_string(i), std::to_string(i % 7));
  }
  for (int i = 0; i < 10'000; i += 2) {
    versions.erase("default/service-" + std::to_string(i));
  }
  EXPECT_EQ(versions.size(), 5'000U);
  EXPECT_EQ(versions.find("default/service-9999"), "3");
  EXPECT_FALSE(versions.contains("default/service-9998"));
}

}  // namespace
}  // namespace meshdns::discovery
