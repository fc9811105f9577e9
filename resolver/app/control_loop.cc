#include "resolver/app/control_loop.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"

namespace meshdns::dns {
namespace {

constexpr std::chrono::seconds kLongestWait{5};

}  // namespace

void ControlLoop::post(std::function<void()> task) { boost::asio::post(io_, std::move(task)); }

void ControlLoop::run() {
  const auto guard = boost::asio::make_work_guard(io_);
  io_.run();
}

void ControlLoop::resume() {
  io_.restart();
  run();
}

void ControlLoop::stop() { io_.stop(); }

// Outlives the timer while a cancelled wait is on its way.
struct WakeTimer::State : std::enable_shared_from_this<WakeTimer::State> {
  State(ControlLoop& loop, const Clock& wake_clock, std::function<void()> wake)
      : clock(wake_clock), timer(loop.io()), on_wake(std::move(wake)) {}

  // Waits for `at`, a piece at a time: the kernel's steady clock stands still while the machine
  // sleeps, ours does not.
  void wait() {
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): only called while there is a time
    timer.expires_after(std::min<std::chrono::nanoseconds>(*at - clock.now(), kLongestWait));
    timer.async_wait(
        [state = shared_from_this(), wanted = at](const boost::system::error_code& error) {
          if (error || state->at != wanted || !state->on_wake) {
            return;
          }
          if (state->clock.now() < *wanted) {
            state->wait();
            return;
          }
          state->at.reset();
          const auto wake = state->on_wake;  // it may let the timer go
          wake();
        });
  }

  const Clock& clock;
  boost::asio::steady_timer timer;
  std::function<void()> on_wake;  // empty once the owner is gone
  std::optional<TimePoint> at;
};

WakeTimer::WakeTimer(ControlLoop& loop, const Clock& clock, std::function<void()> on_wake)
    : state_(std::make_shared<State>(loop, clock, std::move(on_wake))) {}

WakeTimer::~WakeTimer() {
  state_->on_wake = nullptr;
  state_->timer.cancel();
}

void WakeTimer::set(std::optional<TimePoint> at) {
  if (at == state_->at) {
    return;
  }
  state_->at = at;
  state_->timer.cancel();
  if (!at) {
    return;
  }
  state_->wait();
}

}  // namespace meshdns::dns
