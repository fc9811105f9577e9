#include "base/backoff.h"

#include <chrono>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, GrowsToItsMaximumWithinTheJitter) {
  Backoff backoff({milliseconds(100), milliseconds(1000), 2.0, 0.2}, 1);
  for (const int nominal : {100, 200, 400, 800, 1000, 1000}) {
    const auto delay = backoff.next();
    EXPECT_GE(delay, milliseconds(nominal * 8 / 10));
    EXPECT_LE(delay, milliseconds(nominal * 12 / 10));
  }
}

TEST(Backoff, StartsAgainAfterReset) {
  Backoff backoff({milliseconds(100), milliseconds(1000), 2.0, 0.0}, 1);
  (void)backoff.next();
  (void)backoff.next();
  backoff.reset();
  EXPECT_EQ(backoff.next(), milliseconds(100));
}

TEST(Backoff, SpreadsClientsThatStartTogether) {
  Backoff first({milliseconds(1000), milliseconds(1000), 1.0, 0.2}, 1);
  Backoff second({milliseconds(1000), milliseconds(1000), 1.0, 0.2}, 2);
  EXPECT_NE(first.next(), second.next());
}

}  // namespace
}  // namespace meshdns
