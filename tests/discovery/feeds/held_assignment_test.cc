#include "discovery/feeds/held_assignment.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

TEST(HeldAssignment, IsReadAsItWasWritten) {
  for (const HeldAssignment& held :
       {HeldAssignment{}, HeldAssignment{"1", "web"}, HeldAssignment{"", "web"},
        HeldAssignment{"9:x", ""}, HeldAssignment{"7", std::string("a:b\0 2", 6)}}) {
    EXPECT_EQ(HeldAssignment::parse(held.to_text()), held) << held.to_text();
  }
}

TEST(HeldAssignment, IsNothingOfAnyOtherText) {
  for (const std::string text :
       {"", "1", "web", ":", "4:web", "-1:web", " 1:web", "99999999999999999999:web"}) {
    EXPECT_EQ(HeldAssignment::parse(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace meshdns::discovery
