#include "resolver/app/control_loop.h"

#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;

class WakeTimerTest : public testing::Test {
 protected:
  SystemClock clock_;
  ControlLoop loop_;
};

TEST_F(WakeTimerTest, WakesOnceAtTheTimeThatWasSetLast) {
  const TimePoint later = clock_.now() + milliseconds(40);
  int wakes = 0;
  WakeTimer last(loop_, clock_, [&] { loop_.stop(); });
  WakeTimer moved(loop_, clock_, [&] {
    ++wakes;
    EXPECT_GE(clock_.now(), later);
    last.set(clock_.now() + milliseconds(20));
  });
  WakeTimer taken_back(loop_, clock_, [&] { ++wakes; });
  moved.set(later - milliseconds(39));
  moved.set(later);
  taken_back.set(later - milliseconds(30));
  taken_back.set({});
  loop_.run();
  EXPECT_EQ(wakes, 1);
}

TEST_F(WakeTimerTest, MayLetItselfGoWhenItWakes) {
  auto held = std::make_shared<std::string>("what the task holds");
  std::string seen;
  std::unique_ptr<WakeTimer> timer;
  timer = std::make_unique<WakeTimer>(loop_, clock_, [&, held] {
    timer.reset();
    seen = *held;
    loop_.stop();
  });
  timer->set(clock_.now());
  loop_.run();
  EXPECT_EQ(seen, "what the task holds");
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(WakeTimerTest, DoesNotWakeWhenItIsGone) {
  bool woken = false;
  auto timer = std::make_unique<WakeTimer>(loop_, clock_, [&] { woken = true; });
  timer->set(clock_.now());
  loop_.post([&] { timer.reset(); });
  WakeTimer last(loop_, clock_, [&] { loop_.stop(); });
  last.set(clock_.now() + milliseconds(20));
  loop_.run();
  EXPECT_FALSE(woken);
}

}  // namespace
}  // namespace meshdns::dns
