// Runs a TimerQueue on an io_context: one timer of Asio's for all deadlines. It is set again when
// it has fired, or when something is due earlier; deadlines that are cancelled cost nothing.
//
// Belongs to the io_context's thread.
#pragma once

#include <memory>

#include "resolver/forward/timer_queue.h"

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

class TimerDriver {
 public:
  TimerDriver(boost::asio::io_context& io, TimerQueue& queue);
  TimerDriver(const TimerDriver&) = delete;
  TimerDriver& operator=(const TimerDriver&) = delete;
  ~TimerDriver();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with its handler, which may run after us
};

}  // namespace meshdns::dns
