#include "resolver/forward/timer_driver.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "resolver/forward/timer_queue.h"

namespace meshdns::dns {

struct TimerDriver::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& io, TimerQueue& given) : timer(io), queue(&given) {}

  void arm() {
    const auto next = queue->next();
    if (!next) {
      return;
    }
    timer.expires_after(std::max(std::chrono::nanoseconds(0), *next - queue->now()));
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error && self->queue != nullptr) {
        self->run();
      }
    });
  }
  void run() {
    running = true;
    try {
      queue->run_due();
    } catch (...) {
      stop_running();  // one that failed must not stop all others
      throw;
    }
    stop_running();
  }
  void stop_running() {
    running = false;
    try {
      arm();
    } catch (...) {
      queue->tell_again();
      throw;
    }
  }

  boost::asio::steady_timer timer;
  TimerQueue* queue;  // null once the driver is gone
  bool running = false;
};

TimerDriver::TimerDriver(boost::asio::io_context& io, TimerQueue& queue)
    : state_(std::make_shared<State>(io, queue)) {
  queue.on_earlier([state = state_.get()] {
    if (!state->running) {
      state->arm();
    }
  });
}

TimerDriver::~TimerDriver() {
  state_->queue->on_earlier({});
  state_->queue = nullptr;
  state_->timer.cancel();
}

}  // namespace meshdns::dns
