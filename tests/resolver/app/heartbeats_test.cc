#include "resolver/app/heartbeats.h"

#include <chrono>
#include <optional>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kWatchdog{1000};
constexpr TimePoint kBegin{std::chrono::hours(1)};

// The control thread and two workers.
class HeartbeatsTest : public testing::Test {
 protected:
  Heartbeats beats_{3, kBegin};
};

TEST_F(HeartbeatsTest, AWorkerIsMissedAfterTheWatchdogsTimeAndTheControlThreadAfterFiveOfThem) {
  EXPECT_FALSE(beats_.silence(kBegin + kWatchdog - milliseconds(1), kWatchdog));
  const auto worker = beats_.silence(kBegin + kWatchdog, kWatchdog);
  ASSERT_TRUE(worker);
  EXPECT_EQ(worker->thread, "worker-0");
  EXPECT_EQ(worker->duration, kWatchdog);

  const TimePoint later = kBegin + 5 * kWatchdog;
  beats_.beat(1, later);
  beats_.beat(2, later);
  EXPECT_FALSE(beats_.silence(later - milliseconds(1), kWatchdog));
  const auto control = beats_.silence(later, kWatchdog);
  ASSERT_TRUE(control);
  EXPECT_EQ(control->thread, "control");
  EXPECT_EQ(control->duration, 5 * kWatchdog);
}

TEST_F(HeartbeatsTest, EachThreadIsHeardByItself) {
  const TimePoint now = kBegin + milliseconds(900);
  beats_.beat(0, now);
  beats_.beat(1, now);
  const auto silent = beats_.silence(kBegin + milliseconds(1100), kWatchdog);
  ASSERT_TRUE(silent);
  EXPECT_EQ(silent->thread, "worker-1");
  EXPECT_EQ(silent->duration, milliseconds(1100));
}

TEST_F(HeartbeatsTest, IsDueWhenTheFirstWouldBeMissed) {
  EXPECT_EQ(beats_.due(kWatchdog), kBegin + kWatchdog);
  beats_.beat(1, kBegin + seconds(9));
  beats_.beat(2, kBegin + seconds(9));
  EXPECT_EQ(beats_.due(kWatchdog), kBegin + 5 * kWatchdog) << "the control thread";
  EXPECT_EQ(Heartbeats(0, kBegin).due(kWatchdog), std::nullopt);
}

TEST_F(HeartbeatsTest, NobodyIsMissedForATimeInWhichNobodyCouldBeHeard) {
  const TimePoint woken = kBegin + seconds(3600);
  beats_.forgive(woken);
  EXPECT_FALSE(beats_.silence(woken, kWatchdog));
  EXPECT_EQ(beats_.due(kWatchdog), woken + kWatchdog);
  // What a thread has for its start is not cut short by it.
  beats_.forgive(kBegin);
  EXPECT_EQ(beats_.due(kWatchdog), woken + kWatchdog);
}

TEST_F(HeartbeatsTest, APauseOfWhoListensIsNobodysSilenceWhereverItFalls) {
  const milliseconds step = beat_interval(kWatchdog);
  TimePoint now = kBegin;
  beats_.listen(now, kWatchdog);
  beats_.listen(now += seconds(3600), kWatchdog);
  EXPECT_FALSE(beats_.silence(now, kWatchdog));
  // And the one after it is as good as the first; nobody has said anything meanwhile.
  beats_.listen(now += seconds(2), kWatchdog);
  EXPECT_FALSE(beats_.silence(now, kWatchdog));
  // Who listens all the time misses who is silent.
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(beats_.silence(now, kWatchdog));
    beats_.listen(now += step, kWatchdog);
  }
  EXPECT_TRUE(beats_.silence(now, kWatchdog));
}

TEST_F(HeartbeatsTest, AThreadThatThereIsNoneOfIsIgnored) {
  beats_.beat(3, kBegin + seconds(9));
  EXPECT_EQ(beats_.due(kWatchdog), kBegin + kWatchdog);
}

TEST(BeatInterval, IsAQuarterOfTheWatchdogAndNeverTooShort) {
  EXPECT_EQ(beat_interval(seconds(10)), milliseconds(2500));
  EXPECT_EQ(beat_interval(milliseconds(40)), milliseconds(20));
  EXPECT_EQ(beat_interval(milliseconds(0)), milliseconds(0)) << "never";
}

}  // namespace
}  // namespace meshdns::dns
