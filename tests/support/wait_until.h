// Waiting for something that another process or thread brings about, without a fixed sleep.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace meshdns::support {

// Far beyond what a loaded machine with sanitizers needs: reaching it means that it hangs.
inline constexpr std::chrono::seconds kHangBound{60};

// Asks `condition` until it is true or `bound` has passed. The pauses between grow from 1 to 20 ms.
template <typename Condition>
[[nodiscard]] bool wait_until(Condition condition, std::chrono::milliseconds bound = kHangBound) {
  const auto deadline = std::chrono::steady_clock::now() + bound;
  std::chrono::milliseconds pause{1};
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace meshdns::support
