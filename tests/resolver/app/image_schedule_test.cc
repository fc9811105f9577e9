#include "resolver/app/image_schedule.h"

#include <chrono>
#include <optional>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace meshdns::dns {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class ImageScheduleTest : public testing::Test {
 protected:
  void publish_and_write(TimePoint at, TimePoint::duration taken) {
    schedule_.note_published(at - ImageSchedule::kDelay);
    schedule_.begin(at);
    schedule_.end(at + taken, true);
  }

  const TimePoint start_{hours(1)};
  ImageSchedule schedule_;
};

TEST_F(ImageScheduleTest, WantsNoneBeforeAPublicationAndOneSoonAfterTheFirst) {
  EXPECT_EQ(schedule_.due(), std::nullopt);
  schedule_.note_published(start_);
  schedule_.note_published(start_ + milliseconds(900));
  EXPECT_EQ(schedule_.due(), start_ + ImageSchedule::kDelay);
}

TEST_F(ImageScheduleTest, WaitsForTheOneThatIsWrittenAndThenForThePause) {
  schedule_.note_published(start_);
  schedule_.begin(start_);
  schedule_.note_published(start_ + milliseconds(1));
  EXPECT_TRUE(schedule_.is_wanted());
  EXPECT_EQ(schedule_.due(), std::nullopt);
  schedule_.end(start_ + milliseconds(2), true);
  EXPECT_EQ(schedule_.due(), start_ + ImageSchedule::kPause);
}

TEST_F(ImageScheduleTest, WantsNoOtherWhileNothingIsPublished) {
  publish_and_write(start_, milliseconds(1));
  EXPECT_FALSE(schedule_.is_wanted());
  EXPECT_EQ(schedule_.due(), std::nullopt);
  schedule_.note_published(start_ + minutes(5));
  EXPECT_EQ(schedule_.due(), start_ + minutes(5) + ImageSchedule::kDelay);
}

TEST_F(ImageScheduleTest, PutsThoseThatTakeLongFurtherApartButNeverForHours) {
  publish_and_write(start_, seconds(1));
  schedule_.note_published(start_ + seconds(2));
  EXPECT_EQ(schedule_.due(), start_ + ImageSchedule::kShare * seconds(1));

  const TimePoint later = start_ + hours(1);
  publish_and_write(later, hours(2));  // the machine slept
  schedule_.note_published(later + milliseconds(1));
  EXPECT_EQ(schedule_.due(), later + ImageSchedule::kLongestPause);
}

TEST_F(ImageScheduleTest, TriesOneThatFailedAgainAfterThePauseHoweverLongItTook) {
  schedule_.note_published(start_);
  schedule_.begin(start_);
  schedule_.end(start_ + seconds(10), false);
  EXPECT_EQ(schedule_.due(), start_ + ImageSchedule::kPause);
}

}  // namespace
}  // namespace meshdns::dns
