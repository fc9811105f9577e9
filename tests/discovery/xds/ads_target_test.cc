#include "discovery/xds/ads_target.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/result.h"

namespace meshdns::discovery {
namespace {

using testing::HasSubstr;

TEST(AdsTarget, IsAnAddressAndWhoseItIs) {
  struct Case {
    std::string text;
    std::string address;
    std::string authority;
  };
  const std::vector<Case> cases{
      {"ipv4:192.0.2.1:5678", "ipv4:192.0.2.1:5678", ""},
      {"ipv6:[2001:db8::1]:1", "ipv6:[2001:db8::1]:1", ""},
      {"ipv4:192.0.2.1:5678#cp.example.org", "ipv4:192.0.2.1:5678", "cp.example.org"},
      {"ipv6:[2001:db8::1]:65535#cp", "ipv6:[2001:db8::1]:65535", "cp"},
      {"ipv4:192.0.2.1:5678#", "ipv4:192.0.2.1:5678", ""},
      {"unix:/run/cp.sock", "unix:/run/cp.sock", ""},
      {"unix:/run/cp#1.sock", "unix:/run/cp#1.sock", ""},
      {"unix:relative", "unix:relative", ""},
  };
  for (const Case& row : cases) {
    const auto target = AdsTarget::parse(row.text);
    ASSERT_TRUE(target) << row.text;
    EXPECT_EQ(target->address, row.address) << row.text;
    EXPECT_EQ(target->authority, row.authority) << row.text;
  }
}

TEST(AdsTarget, IsNeverWhatWouldHaveToBeResolved) {
  for (const std::string text :
       {"", ":", "unix:", "ipv4:", "cp.example.org:5678", "dns:cp.example.org:5678",
        "ipv4:cp.example.org:5678", "ipv4:192.0.2.1", "ipv4:192.0.2.1:0", "ipv4:192.0.2.1:65536",
        "ipv4:[2001:db8::1]:5678", "ipv6:192.0.2.1:5678", "ipv6:2001:db8::1:5678",
        "ipv4:192.0.2.1:5678,192.0.2.2:5678", "ipv4:#cp.example.org", "192.0.2.1:5678"}) {
    const auto target = AdsTarget::parse(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_THAT(target.error().message, HasSubstr("\"" + text + "\"")) << text;
  }
}

TEST(AdsTarget, OfManyTheFirstThatIsNoneIsNamed) {
  EXPECT_TRUE(check_targets(std::vector<std::string>{"unix:/a", "ipv4:192.0.2.1:1"}));
  const auto refused = check_targets(std::vector<std::string>{"unix:/a", "b", "c"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("\"b\""));
  EXPECT_FALSE(check_targets({}));
}

}  // namespace
}  // namespace meshdns::discovery
