// How a thread that waits for descriptors is told to end: one more that becomes readable.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <thread>
#include <unistd.h>

#include <sys/eventfd.h>

#include "base/unique_fd.h"

namespace meshdns::support {

class StopSignal {
 public:
  // For the thread to watch.
  [[nodiscard]] int descriptor() const { return event_.get(); }
  // Tells `thread` and waits for its end.
  void stop(std::thread& thread) const {
    const std::uint64_t one = 1;
    if (::write(event_.get(), &one, sizeof one) != static_cast<ssize_t>(sizeof one)) {
      std::abort();  // The thread would never end.
    }
    thread.join();
  }

 private:
  UniqueFd event_{::eventfd(0, EFD_CLOEXEC)};
};

}  // namespace meshdns::support
