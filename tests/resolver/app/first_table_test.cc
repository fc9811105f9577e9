#include "resolver/app/first_table.h"

#include <cstddef>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "discovery/service.h"
#include "tests/support/manual_clock.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

discovery::ServiceDelta delta_of(std::size_t services) {
  discovery::ServiceDelta delta;
  delta.services.resize(services);
  return delta;
}

TEST(FirstTable, IsWholeWithASmallResponse) {
  const support::ManualClock clock;
  FirstTable table;
  EXPECT_TRUE(table.ends_with(delta_of(0), clock.now()));
  EXPECT_TRUE(table.ends_with(delta_of(FirstTable::kPartResources - 1), clock.now()));
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
  EXPECT_FALSE(table.ends_with(delta_of(FirstTable::kPartResources), clock.now()));
  EXPECT_EQ(table.whole_at(), clock.now() + FirstTable::kSettle);
  clock.advance(FirstTable::kSettle / 2);
  EXPECT_FALSE(table.ends_with(delta_of(9000), clock.now()));
  EXPECT_EQ(table.whole_at(), clock.now() + FirstTable::kSettle);
  EXPECT_TRUE(table.ends_with(delta_of(1), clock.now()));
  EXPECT_EQ(table.whole_at(), std::nullopt);
}

TEST(FirstTable, WaitsForWhatIsAskedForByNameButNotForEver) {
  const support::ManualClock clock;
  FirstTable table;
  discovery::ServiceDelta part = delta_of(1);
  part.awaits_more = true;
  EXPECT_FALSE(table.ends_with(part, clock.now()));
  EXPECT_EQ(table.whole_at(), clock.now() + FirstTable::kMissing);
  part.full_state = true;
  EXPECT_FALSE(table.ends_with(part, clock.now()));
  EXPECT_TRUE(table.ends_with(delta_of(1), clock.now()));
}

discovery::ServiceDelta endpoints_of(std::size_t services) {
  discovery::ServiceDelta delta{.feed = "endpoints"};
  delta.endpoints.resize(services);
  return delta;
}

TEST(FirstTables, AreWholeOnceEachIs) {
  const support::ManualClock clock;
  FirstTables tables({"mesh", "endpoints"});
  EXPECT_THAT(tables.missing(), ElementsAre("endpoints", "mesh"));
  discovery::ServiceDelta services = delta_of(3);
  services.feed = "mesh";
  tables.take(services, clock.now());
  EXPECT_THAT(tables.missing(), ElementsAre("endpoints"));
  EXPECT_TRUE(tables.is_whole("mesh"));
  EXPECT_FALSE(tables.is_whole("endpoints"));
  EXPECT_TRUE(tables.is_whole("another")) << "nobody waits for it";
  EXPECT_EQ(tables.settles_at(), std::nullopt);
  tables.take(endpoints_of(3), clock.now());
  EXPECT_THAT(tables.missing(), IsEmpty());
}

TEST(FirstTables, SettleEachForItself) {
  support::ManualClock clock;
  FirstTables tables({"mesh", "endpoints"});
  tables.take(endpoints_of(FirstTable::kPartResources), clock.now());
  const TimePoint first = clock.now() + FirstTable::kSettle;
  clock.advance(FirstTable::kSettle / 2);
  discovery::ServiceDelta services = delta_of(FirstTable::kPartResources);
  services.feed = "mesh";
  tables.take(services, clock.now());
  EXPECT_EQ(tables.settles_at(), first);
  clock.advance(FirstTable::kSettle / 2);
  tables.settle(clock.now());
  EXPECT_THAT(tables.missing(), ElementsAre("mesh"));
  EXPECT_EQ(tables.settles_at(), first + FirstTable::kSettle / 2);
  clock.advance(FirstTable::kSettle / 2);
  tables.settle(clock.now());
  EXPECT_THAT(tables.missing(), IsEmpty());
  // A large change later is no first table.
  tables.take(services, clock.now());
  EXPECT_THAT(tables.missing(), IsEmpty());
  EXPECT_EQ(tables.settles_at(), std::nullopt);
}

}  // namespace
}  // namespace meshdns::dns
