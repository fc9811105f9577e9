#include "resolver/forward/timer_queue.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/forward/timer_driver.h"
#include "tests/support/manual_clock.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Says when it is due.
class NamedTimer final : public TimerQueue::Timer {
 public:
  NamedTimer(TimerQueue& queue, int name, std::vector<int>& log)
      : Timer(queue), name_(name), log_(log) {}
  void on_due() override { log_.push_back(name_); }

 private:
  int name_;
  std::vector<int>& log_;
};

class TimerQueueTest : public ::testing::Test {
 protected:
  NamedTimer& add(int name, milliseconds after) {
    timers_.push_back(std::make_unique<NamedTimer>(queue_, name, log_));
    queue_.schedule(*timers_.back(), clock_.now() + after);
    return *timers_.back();
  }
  void advance(milliseconds by) {
    clock_.advance(by);
    queue_.run_due();
  }

  support::ManualClock clock_;
  TimerQueue queue_{clock_};
  std::vector<int> log_;
  std::vector<std::unique_ptr<NamedTimer>> timers_;
};

TEST_F(TimerQueueTest, CallsWhatIsDueInOrder) {
  add(3, milliseconds(30));
  add(1, milliseconds(10));
  add(2, milliseconds(20));
  advance(milliseconds(9));
  EXPECT_THAT(log_, IsEmpty());
  advance(milliseconds(11));
  EXPECT_THAT(log_, ElementsAre(1, 2));
  advance(milliseconds(100));
  EXPECT_THAT(log_, ElementsAre(1, 2, 3));
  EXPECT_FALSE(queue_.next().has_value());
}

TEST_F(TimerQueueTest, DoesNotCallWhatWasCancelledOrIsGone) {
  NamedTimer& cancelled = add(1, milliseconds(10));
  add(2, milliseconds(10));
  add(3, milliseconds(10));
  queue_.cancel(cancelled);
  queue_.cancel(cancelled);
  timers_.erase(timers_.begin() + 1);
  advance(milliseconds(10));
  EXPECT_THAT(log_, ElementsAre(3));
}

TEST_F(TimerQueueTest, MovesATimerThatIsScheduledAgain) {
  NamedTimer& moved = add(1, milliseconds(10));
  queue_.schedule(moved, clock_.now() + milliseconds(50));
  advance(milliseconds(49));
  EXPECT_THAT(log_, IsEmpty());
  advance(milliseconds(1));
  EXPECT_THAT(log_, ElementsAre(1));
}

TEST_F(TimerQueueTest, TellsWhenSomethingIsDueEarlier) {
  int told = 0;
  queue_.on_earlier([&told] { ++told; });
  add(1, milliseconds(20));
  add(2, milliseconds(30));
  EXPECT_EQ(told, 1);
  add(3, milliseconds(10));
  EXPECT_EQ(told, 2);
  EXPECT_EQ(queue_.next(), clock_.now() + milliseconds(10));
}

TEST_F(TimerQueueTest, TellsAgainWhenItCouldNotBeHeard) {
  int told = 0;
  bool fails = true;
  queue_.on_earlier([&] {
    ++told;
    if (fails) {
      throw std::bad_alloc();
    }
  });
  EXPECT_THROW(add(1, milliseconds(10)), std::bad_alloc);
  fails = false;
  add(2, milliseconds(20));
  EXPECT_EQ(told, 2) << "or nobody would ever look at the queue again";
  add(3, milliseconds(30));
  EXPECT_EQ(told, 2);
  queue_.tell_again();
  add(4, milliseconds(40));
  EXPECT_EQ(told, 3);
}

TEST_F(TimerQueueTest, KeepsOrderThroughRandomChanges) {
  std::mt19937 random(4711);
  constexpr int kTimers = 500;
  std::vector<int> due(kTimers);
  for (int i = 0; i < kTimers; ++i) {
    due[static_cast<std::size_t>(i)] = static_cast<int>(random() % 1000);
    add(i, milliseconds(due[static_cast<std::size_t>(i)]));
  }
  std::vector<bool> gone(kTimers, false);
  for (int i = 0; i < kTimers; ++i) {
    const std::size_t chosen = random() % kTimers;
    if (random() % 2 == 0) {
      queue_.cancel(*timers_[chosen]);
      gone[chosen] = true;
    } else {
      due[chosen] = static_cast<int>(random() % 1000);
      queue_.schedule(*timers_[chosen], clock_.now() + milliseconds(due[chosen]));
      gone[chosen] = false;
    }
  }
  advance(milliseconds(1000));
  EXPECT_EQ(static_cast<long>(log_.size()), std::ranges::count(gone, false));
  EXPECT_TRUE(std::ranges::is_sorted(
      log_, {}, [&due](int name) { return due[static_cast<std::size_t>(name)]; }));
}

// Runs out of memory when it is due.
class UnluckyTimer final : public TimerQueue::Timer {
 public:
  using Timer::Timer;
  void on_due() override { throw std::bad_alloc(); }
};

TEST_F(TimerQueueTest, OneThatFailsDoesNotStopTheOthers) {
  boost::asio::io_context io;
  const TimerDriver driver(io, queue_);
  UnluckyTimer unlucky(queue_);
  queue_.schedule(unlucky, clock_.now());
  add(1, milliseconds(0));
  EXPECT_THROW(io.run(), std::bad_alloc);
  io.run();
  EXPECT_THAT(log_, ElementsAre(1));
  // And so are those that come later.
  add(2, milliseconds(0));
  io.restart();
  io.run();
  EXPECT_THAT(log_, ElementsAre(1, 2));
}

}  // namespace
}  // namespace meshdns::dns
