#include "resolver/app/first_table.h"

#include <cstddef>
#include <optional>

#include <gtest/gtest.h>

#include "discovery/service.h"
#include "tests/support/manual_clock.h"

namespace meshdns::dns {
namespace {

discovery::ServiceDelta delta_of(std::size_t services) {
  discovery::ServiceDelta delta;
  delta.services.resize(services);
  return delta;
}

TEST(FirstTable, IsWholeWithASmallResponse) {
  const support::ManualClock clock;
  FirstTable table;
  EXPECT_TRUE(table.ends_with(delta_of(0), clock.now()));
  EXPECT_TRUE(table.ends_with(delta_of(FirstTable::kPartServices - 1), clock.now()));
  EXPECT_EQ(table.whole_at(), std::nullopt);
}

TEST(FirstTable, IsWholeWithAFullStateOfAnySize) {
  const support::ManualClock clock;
  discovery::ServiceDelta delta = delta_of(100'000);
  delta.full_state = true;
  EXPECT_TRUE(FirstTable().ends_with(delta, clock.now()));
}

TEST(FirstTable, WaitsAfterEachLargeResponseForTheRest) {
  support::ManualClock clock;
  FirstTable table;
  EXPECT_FALSE(table.ends_with(delta_of(FirstTable::kPartServices), clock.now()));
  EXPECT_EQ(table.whole_at(), clock.now() + FirstTable::kSettle);
  clock.advance(FirstTable::kSettle / 2);
  EXPECT_FALSE(table.ends_with(delta_of(9000), clock.now()));
  EXPECT_EQ(table.whole_at(), clock.now() + FirstTable::kSettle);
  EXPECT_TRUE(table.ends_with(delta_of(1), clock.now()));
  EXPECT_EQ(table.whole_at(), std::nullopt);
}

}  // namespace
}  // namespace meshdns::dns
