#include "resolver/app/table_age.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/wall_clock.h"
#include "resolver/app/age_record.h"
#include "resolver/snapshot/standing.h"

namespace meshdns::dns {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Age = Standing::Age;

const TimePoint kStart{hours(5)};
const TableAge::Limits kLimits{.stale_after = hours(1), .expire_after = hours(24)};

TEST(TableAge, UnknownIsStaleAndServes) {
  const TableAge age(kLimits);
  EXPECT_EQ(age.age(kStart), std::nullopt);
  EXPECT_EQ(age.standing(kStart), Age::kStale);
  EXPECT_EQ(TableAge({.stale_after = {}, .expire_after = hours(1)}).standing(kStart), Age::kFresh);
}

TEST(TableAge, GoesByTheTimeSinceTheLastConfirmation) {
  TableAge age(kLimits);
  age.confirm(kStart);
  age.see(false, kStart);
  EXPECT_EQ(age.changes_at(kStart), kStart + hours(1));
  EXPECT_EQ(age.standing(kStart + minutes(59)), Age::kFresh);
  EXPECT_EQ(age.standing(kStart + hours(1)), Age::kStale);
  EXPECT_EQ(age.changes_at(kStart + hours(1)), kStart + hours(24));
  EXPECT_EQ(age.standing(kStart + hours(24)), Age::kExpired);
  EXPECT_EQ(age.changes_at(kStart + hours(24)), std::nullopt);
  EXPECT_EQ(age.age(kStart + hours(2)), hours(2));
}

TEST(TableAge, IsZeroWhileConnected) {
  TableAge age(kLimits);
  age.confirm(kStart);
  for (TimePoint now = kStart; now < kStart + hours(3); now += seconds(5)) {
    age.see(true, now);
    ASSERT_EQ(age.age(now + seconds(4)), nanoseconds::zero());
  }
  EXPECT_EQ(age.changes_at(kStart + hours(3)), std::nullopt);
  age.see(false, kStart + hours(3));
  EXPECT_LT(age.age(kStart + hours(3)), seconds(6)) << "it counts from the loss";
}

TEST(TableAge, OfATableOnDiskGoesOn) {
  TableAge age(kLimits);
  age.restore(hours(2), kStart);
  EXPECT_EQ(age.age(kStart), hours(2));
  EXPECT_EQ(age.standing(kStart), Age::kStale);
  age.see(false, kStart);
  EXPECT_EQ(age.standing(kStart + hours(22)), Age::kExpired);
  age.confirm(kStart + hours(23));
  EXPECT_EQ(age.standing(kStart + hours(23)), Age::kFresh);
}

TEST(TableAge, AConnectionProvesNothingAfterTheMachineSlept) {
  TableAge age(kLimits);
  age.confirm(kStart);
  age.see(true, kStart);
  const TimePoint awake = kStart + hours(2);
  EXPECT_EQ(age.standing(awake), Age::kStale) << "before anybody looked";
  age.see(true, awake);
  EXPECT_EQ(age.standing(awake), Age::kStale) << "it may be dead";
  age.see(true, awake + seconds(40));
  EXPECT_EQ(age.standing(awake + seconds(40)), Age::kStale);
  age.see(true, awake + TableAge::kProof);
  EXPECT_EQ(age.standing(awake + TableAge::kProof), Age::kFresh) << "the keepalive found it alive";
}

TEST(TableAge, AResponseAfterTheMachineSleptProvesTheConnection) {
  TableAge age(kLimits);
  age.confirm(kStart);
  age.see(true, kStart);
  age.see(true, kStart + hours(2));
  age.confirm(kStart + hours(2));
  EXPECT_EQ(age.standing(kStart + hours(2)), Age::kFresh);
}

TEST(TableAge, ADeadConnectionAfterTheMachineSleptStaysOld) {
  TableAge age(kLimits);
  age.confirm(kStart);
  age.see(true, kStart);
  age.see(true, kStart + hours(2));
  age.see(false, kStart + hours(2) + seconds(30));
  EXPECT_EQ(age.age(kStart + hours(2) + seconds(30)), hours(2) + seconds(30));
}

AgeRecord record(const std::string& boot_id, nanoseconds boot_time, std::int64_t wall_seconds) {
  return {.boot_id = boot_id,
          .boot_time = TimePoint(boot_time),
          .wall_time = WallTime(seconds(wall_seconds))};
}

TEST(AgeRecord, OfOneBootIgnoresTheWallClock) {
  const AgeRecord then = record("a", hours(1), 1'700'000'000);
  for (const std::int64_t wall :
       {std::int64_t{0}, std::int64_t{1'700'000'000}, std::int64_t{5'000'000'000}, std::int64_t{-1},
        std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(age_between(then, record("a", hours(3), wall)), hours(2)) << wall;
  }
}

TEST(AgeRecord, OfAnotherBootGoesByTheWallClockAndIsNeverNegative) {
  const AgeRecord then = record("a", hours(100), 1'700'000'000);
  EXPECT_EQ(age_between(then, record("b", hours(1), 1'700'000'060)), seconds(60));
  EXPECT_EQ(age_between(then, record("b", hours(1), 1'600'000'000)), seconds(0));
  EXPECT_EQ(age_between(then, record("b", hours(1), 0)), seconds(0)) << "back in 1970";
  EXPECT_EQ(age_between(then, record("b", hours(1), 4'000'000'000)), seconds(2'300'000'000))
      << "past 2038";
  EXPECT_GT(age_between(record("a", hours(1), 0), record("b", hours(1), INT64_MAX)), hours(24));
}

TEST(AgeRecord, WithoutABootIdGoesByTheWallClock) {
  EXPECT_EQ(age_between(record("", hours(1), 100), record("", hours(9), 160)), seconds(60));
}

TEST(AgeRecord, OfABootTimeInTheFutureGoesByTheWallClock) {
  EXPECT_EQ(age_between(record("a", hours(9), 100), record("a", hours(1), 160)), seconds(60))
      << "another time namespace";
}

TEST(AgeRecord, IsReadAsItWasWritten) {
  for (const AgeRecord& one :
       {record("57318611-5fa3-4d4c-a68a-16d2cc0f5861", hours(7), 1'795'272'965),
        record("", seconds(0), 0), record("x", -hours(1), -5), record("x", hours(1), INT64_MAX)}) {
    EXPECT_EQ(parse_age_record(print_age_record(one)), one) << print_age_record(one);
  }
}

TEST(AgeRecord, NothingElseIsOne) {
  const std::string good = print_age_record(record("boot", hours(7), 1'795'272'965));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(parse_age_record(good.substr(0, size)), std::nullopt) << size;
  }
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    EXPECT_EQ(parse_age_record(flipped), std::nullopt) << flipped;
  }
  EXPECT_EQ(parse_age_record(good + " "), std::nullopt);
  EXPECT_EQ(parse_age_record("meshdns-age 2" + good.substr(13)), std::nullopt);
}

}  // namespace
}  // namespace meshdns::dns
