#include "vip/key.h"

#include <gtest/gtest.h>

namespace meshdns::vip {
namespace {

TEST(LeaseKey, HasTheFormThatIsOnDisk) {
  EXPECT_EQ(lease_key("default", "service", "", "", "backend"), "default/service///backend");
  EXPECT_EQ(lease_key("m", "k", "z", "n", "a b/c%\xff"), "m/k/z/n/a%20b%2Fc%25%FF");
}

TEST(LeaseKey, NeverConfusesTwoIdentities) {
  EXPECT_NE(lease_key("a/b", "", "", "", "c"), lease_key("a", "b", "", "", "c"));
  EXPECT_NE(lease_key("a", "", "", "", "%2F"), lease_key("a", "", "", "", "/"));
  EXPECT_NE(lease_key("A", "", "", "", "x"), lease_key("a", "", "", "", "x"));
}

}  // namespace
}  // namespace meshdns::vip
