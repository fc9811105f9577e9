// Deadlines of one worker: thousands, nearly all of which are cancelled before they are due.
//
// Scheduling and cancelling cost no system call and no allocation: a heap that knows where each
// timer stands. Whoever drives the queue calls run_due() no later than next(); a test moves its
// clock and does so by hand.
//
// Belongs to one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace meshdns::dns {

class TimerQueue {
 public:
  // What is to happen at some time. Unscheduled when it is destroyed.
  class Timer {
   public:
    explicit Timer(TimerQueue& queue) : queue_(queue) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    virtual ~Timer() { queue_.cancel(*this); }
    // May schedule itself again, or destroy itself.
    virtual void on_due() = 0;

   private:
    friend class TimerQueue;
    static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
    TimerQueue& queue_;
    TimePoint due_;
    std::size_t place_ = kNowhere;
  };

  explicit TimerQueue(const Clock& clock) : clock_(clock) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue() = default;

  [[nodiscard]] TimePoint now() const { return clock_.now(); }
  // Replaces what was scheduled for it.
  void schedule(Timer& timer, TimePoint due);
  void cancel(Timer& timer);

  [[nodiscard]] std::optional<TimePoint> next() const {
    return heap_.empty() ? std::nullopt : std::optional(heap_.front()->due_);
  }
  // Calls on_due() of what is due now, in order, and of what they schedule for now.
  void run_due();
  // Called when next() has become earlier. Where it throws, it is called again as soon as anything
  // is scheduled: so whoever drives the queue is told in the end.
  void on_earlier(std::function<void()> callback) { on_earlier_ = std::move(callback); }
  // Whoever drives the queue could not make use of what it was told: the same.
  void tell_again() { is_untold_ = true; }

 private:
  void move_up(std::size_t place);
  void move_down(std::size_t place);
  void put(Timer* timer, std::size_t place);

  const Clock& clock_;
  std::function<void()> on_earlier_;
  bool is_untold_ = false;
  std::vector<Timer*> heap_;  // the earliest first
};

}  // namespace meshdns::dns
