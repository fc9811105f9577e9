#include "resolver/app/restart_policy.h"

#include <chrono>

#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RestartPolicy, StartsAgainAtOnceThenEverLaterUpToACap) {
  RestartPolicy policy;
  for (const int wanted : {0, 250, 500, 1000, 2000, 4000, 8000, 10'000, 10'000}) {
    EXPECT_EQ(policy.next(seconds(1)), milliseconds(wanted));
  }
}

TEST(RestartPolicy, ForgetsWhatHappenedBeforeALongLife) {
  RestartPolicy policy;
  for (int i = 0; i < 20; ++i) {
    static_cast<void>(policy.next(seconds(1)));
  }
  EXPECT_EQ(policy.next(RestartPolicy::kWell), milliseconds(0));
  EXPECT_EQ(policy.next(seconds(1)), milliseconds(250));
}

}  // namespace
}  // namespace meshdns::dns
