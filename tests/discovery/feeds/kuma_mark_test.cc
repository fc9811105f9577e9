// What says of a table on disk whose it is.
#include "discovery/feeds/kuma_mark.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/name_records.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

NameRecord record(const std::string& name, const std::vector<std::string>& addresses) {
  NameRecord made{.name = name, .addresses = {}, .ttl_seconds = 30};
  for (const std::string& address : addresses) {
    made.addresses.push_back(IpAddress::parse(address).value());
  }
  return made;
}

TEST(KumaMark, IsTheSameAfterADisk) {
  const KumaMark mark{.listener = "system_dynamicconfig",
                      .version = "v\"1\"",
                      .etag = "0dc8f0e4",
                      .labels = {{"mesh", "default"}, {"kuma_io_zone", "z"}},
                      .names = 7,
                      .checksum = std::numeric_limits<std::uint64_t>::max()};
  EXPECT_EQ(KumaMark::parse(mark.to_text()), mark);
  EXPECT_EQ(KumaMark::find({{"a.mesh", ""}, {"/dns", mark.to_text()}}), mark);
  EXPECT_FALSE(KumaMark::find({{"a.mesh", mark.to_text()}}));
}

TEST(KumaMark, IsNoneWithoutEveryPart) {
  const KumaMark mark{.listener = "l", .version = "v", .etag = "e", .labels = {{"mesh", "m"}}};
  const std::string good = mark.to_text();
  for (std::size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(KumaMark::parse(good.substr(0, i))) << i;
  }
  for (const char* const member : {"listener", "version", "etag", "labels", "names", "checksum"}) {
    std::string bad = good;
    bad.replace(bad.find(member), 1, "X");
    EXPECT_FALSE(KumaMark::parse(bad)) << bad;
  }
  EXPECT_FALSE(KumaMark::parse(
      R"({"listener":"","version":"","etag":"","labels":{"a":1},"names":1,"checksum":1})"));
  EXPECT_FALSE(KumaMark::parse(
      R"({"listener":"","version":"","etag":"","labels":{},"names":-1,"checksum":1})"));
}

TEST(KumaMark, ItsChecksumIsOfEveryRecordInAnyOrder) {
  const NameRecord a = record("a.mesh", {"241.0.0.1", "::ffff:241.0.0.1"});
  const NameRecord b = record("b.mesh", {"241.0.0.2"});
  EXPECT_EQ(checksum({a, b}), checksum({b, a}));
  EXPECT_NE(checksum({a, b}), checksum({a}));
  EXPECT_NE(checksum({a, a}), checksum({b, b}));
  const std::vector<NameRecord> others{record("a.mesh", {"241.0.0.1"}),
                                       record("a.mesh", {"::ffff:241.0.0.1", "241.0.0.1"}),
                                       record("c.mesh", {"241.0.0.1", "::ffff:241.0.0.1"})};
  for (const NameRecord& other : others) {
    EXPECT_NE(checksum(other), checksum(a)) << other.name;
  }
  NameRecord longer = a;
  longer.ttl_seconds = 31;
  EXPECT_NE(checksum(longer), checksum(a));
}

}  // namespace
}  // namespace meshdns::discovery
