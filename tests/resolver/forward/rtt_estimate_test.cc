#include "resolver/forward/rtt_estimate.h"

#include <chrono>

#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RttEstimate, KnowsNothingBeforeTheFirstReply) {
  const RttEstimate rtt;
  EXPECT_FALSE(rtt.smoothed());
  EXPECT_FALSE(rtt.p95());
}

TEST(RttEstimate, SaysNothingOfTheSlowestFiveBeforeThereAreSome) {
  RttEstimate rtt;
  for (unsigned i = 1; i < RttEstimate::kFewest; ++i) {
    rtt.note(milliseconds(20));
    EXPECT_FALSE(rtt.p95());
  }
  rtt.note(milliseconds(20));
  ASSERT_TRUE(rtt.p95());
  EXPECT_GE(*rtt.p95(), milliseconds(20));
  EXPECT_LE(*rtt.p95(), milliseconds(25));
  EXPECT_EQ(rtt.smoothed(), milliseconds(20));
}

TEST(RttEstimate, IsAQuarterTooMuchAtMostWhateverTheSize) {
  for (microseconds each(16); each < seconds(4); each = each * 7 / 5) {
    RttEstimate rtt;
    for (int i = 0; i < 100; ++i) {
      rtt.note(each);
    }
    EXPECT_GE(rtt.p95(), each);
    EXPECT_LE(rtt.p95(), each * 5 / 4 + microseconds(16)) << each.count();
  }
}

TEST(RttEstimate, LeavesFiveOfAHundredOut) {
  RttEstimate rtt;
  for (int i = 0; i < 100; ++i) {
    rtt.note(i < 95 ? milliseconds(10) : milliseconds(900));
  }
  EXPECT_LE(rtt.p95(), milliseconds(13));
  rtt.note(milliseconds(900));
  EXPECT_GE(rtt.p95(), milliseconds(900));
}

TEST(RttEstimate, FollowsAServerThatSlowsDownAndRecovers) {
  RttEstimate rtt;
  for (int i = 0; i < 100'000; ++i) {
    rtt.note(milliseconds(1));
  }
  for (int i = 0; i < 100; ++i) {
    rtt.note(milliseconds(600));
  }
  EXPECT_GE(rtt.p95(), milliseconds(600));
  EXPECT_GT(rtt.smoothed(), milliseconds(590));
  for (int i = 0; i < 5000; ++i) {
    rtt.note(milliseconds(1));
  }
  EXPECT_LE(rtt.p95(), milliseconds(2));
  EXPECT_LT(rtt.smoothed(), milliseconds(2));
}

TEST(RttEstimate, TakesTimesThatNoServerHas) {
  RttEstimate rtt;
  rtt.note(milliseconds(-1));
  rtt.note(seconds(0));
  for (int i = 0; i < 20; ++i) {
    rtt.note(std::chrono::hours(24 * 365));
  }
  EXPECT_GE(rtt.p95(), seconds(4));
}

}  // namespace
}  // namespace meshdns::dns
