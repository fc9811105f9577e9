// The control thread's loop: tasks from other threads, timers, and when it ends. The thread that
// calls run() is the control thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"

namespace meshdns::dns {

class ControlLoop {
 public:
  ControlLoop() = default;
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;
  ~ControlLoop() = default;

  [[nodiscard]] boost::asio::io_context& io() { return io_; }
  // Runs `task` on the control thread, in order. Any thread; nothing happens after the loop ended.
  void post(std::function<void()> task);
  // Until stop(); an exception of a task leaves through here.
  void run();
  // Goes on after stop(), until the next one.
  void resume();
  // Any thread.
  void stop();

 private:
  boost::asio::io_context io_{1};
};

// One wake-up at a time, moved at will. Control thread. A machine that slept is late by seconds,
// not by the time it slept.
class WakeTimer {
 public:
  WakeTimer(ControlLoop& loop, const Clock& clock, std::function<void()> on_wake);
  WakeTimer(const WakeTimer&) = delete;
  WakeTimer& operator=(const WakeTimer&) = delete;
  ~WakeTimer();

  // Calls on_wake at `at` instead of when it was to be called; never with nothing.
  void set(std::optional<TimePoint> at);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace meshdns::dns
