#include "resolver/app/publish_schedule.h"

#include <chrono>
#include <optional>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using Urgency = PublishSchedule::Urgency;

constexpr TimePoint kStart{std::chrono::hours(1)};

TEST(PublishSchedule, HasNothingToDoWithoutAChange) {
  PublishSchedule schedule;
  EXPECT_EQ(schedule.due_at(), std::nullopt);
  EXPECT_FALSE(schedule.is_due(kStart));
  schedule.note_published(kStart);
  EXPECT_EQ(schedule.due_at(), std::nullopt);
}

TEST(PublishSchedule, PublishesTheFirstChangeAfterQuietAtOnce) {
  PublishSchedule schedule;
  schedule.note_change(kStart, Urgency::kNow);
  EXPECT_TRUE(schedule.is_due(kStart));
  schedule.note_published(kStart);
  EXPECT_FALSE(schedule.is_due(kStart + PublishSchedule::kCoalesce)) << "the change is published";

  schedule.note_change(kStart + PublishSchedule::kCoalesce, Urgency::kNow);
  EXPECT_TRUE(schedule.is_due(kStart + PublishSchedule::kCoalesce));
}

TEST(PublishSchedule, GathersWhatComesSoonAfterASnapshot) {
  PublishSchedule schedule;
  schedule.note_published(kStart);
  for (const int at : {1, 5, 9}) {
    schedule.note_change(kStart + milliseconds(at), Urgency::kNow);
    EXPECT_EQ(schedule.due_at(), kStart + PublishSchedule::kCoalesce) << at;
  }
  EXPECT_FALSE(schedule.is_due(kStart + milliseconds(9)));
  EXPECT_TRUE(schedule.is_due(kStart + PublishSchedule::kCoalesce));
}

TEST(PublishSchedule, LetsWhatIsNotUrgentWait) {
  PublishSchedule schedule;
  schedule.note_change(kStart, Urgency::kSoon);
  EXPECT_EQ(schedule.due_at(), kStart + PublishSchedule::kCoalesce);
  schedule.note_change(kStart + milliseconds(3), Urgency::kSoon);
  EXPECT_EQ(schedule.due_at(), kStart + PublishSchedule::kCoalesce) << "never put off";
  schedule.note_change(kStart + milliseconds(4), Urgency::kNow);
  EXPECT_EQ(schedule.due_at(), kStart + milliseconds(4));
  schedule.note_change(kStart + milliseconds(4), Urgency::kSoon);
  EXPECT_EQ(schedule.due_at(), kStart + milliseconds(4));
}

}  // namespace
}  // namespace meshdns::dns
