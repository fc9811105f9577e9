#include "resolver/app/control_loop.h"

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

void ControlLoop::post(std::function<void()> task) { boost::asio::post(io_, std::move(task)); }

void ControlLoop::run() {
  const auto guard = boost::asio::make_work_guard(io_);
  io_.run();
}

void ControlLoop::stop() { io_.stop(); }

// Outlives the timer while a cancelled wait is on its way.
struct WakeTimer::State {
  State(ControlLoop& loop, const Clock& wake_clock, std::function<void()> wake)
      : clock(wake_clock), timer(loop.io()), on_wake(std::move(wake)) {}

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
  state_->timer.expires_after(*at - state_->clock.now());
  state_->timer.async_wait([state = state_, at](const boost::system::error_code& error) {
    if (!error && state->at == at && state->on_wake) {
      state->at.reset();
      state->on_wake();
    }
  });
}

}  // namespace meshdns::dns
