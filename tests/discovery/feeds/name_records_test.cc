#include "discovery/feeds/name_records.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::discovery {
namespace {

using testing::SizeIs;

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }

TEST(NameRecords, AreTheSameAfterADisk) {
  for (const NameRecord& record :
       {NameRecord{"a.mesh", {ip("241.0.0.1"), ip("::ffff:f100:1")}, 30},
        NameRecord{"b.mesh", {}, std::nullopt}, NameRecord{"c.mesh", {ip("2001:db8::1")}, 0},
        NameRecord{"*.example.org", {ip("192.0.2.1")}, std::nullopt}}) {
    const auto read = decode_name_record(encode_name_record(record));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, record);
  }
  EXPECT_FALSE(decode_name_record("\xff"));
  EXPECT_FALSE(decode_name_record(""));
}

TEST(NameRecords, HaveADnsNameOrAWildcard) {
  for (const char* const name : {"a", "a.b", "*.a", "*.a.b", "a_b.c"}) {
    EXPECT_TRUE(is_record_name(name)) << name;
  }
  const std::string label(63, 'a');
  const std::string longest =
      label + "." + label + "." + label + "." + std::string(61, 'b');  // 253 octets
  EXPECT_TRUE(is_record_name(longest));
  for (const std::string& name :
       {std::string(), std::string("*"), std::string("*."), std::string("*.*.a"),
        std::string("a.*.b"), std::string("*a.b"), std::string("a."), std::string(".a"),
        std::string("a b"), "*." + longest}) {
    EXPECT_FALSE(is_record_name(name)) << name;
  }
}

TEST(NameRecords, OneOfAnotherNameIsRefusedAndWhatIsReadIsNotAll) {
  const NameRecord record{"a.mesh", {ip("241.0.0.1")}, std::nullopt};
  const std::string value = encode_name_record(record);
  ServiceDelta delta{.feed = "f", .full_state = true};
  std::vector<Rejection> rejections;
  EXPECT_TRUE(read_name_record({.name = "a.mesh", .version = "v", .value = value, .type_url = {}},
                               delta, rejections));
  EXPECT_THAT(delta.records, testing::ElementsAre(record));
  EXPECT_TRUE(delta.full_state);
  EXPECT_FALSE(read_name_record({.name = "b.mesh", .version = "v", .value = value, .type_url = {}},
                                delta, rejections));
  EXPECT_THAT(delta.records, SizeIs(1));
  EXPECT_THAT(rejections, SizeIs(1));
  EXPECT_FALSE(delta.full_state);
}

}  // namespace
}  // namespace meshdns::discovery
