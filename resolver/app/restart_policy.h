// RestartPolicy: when a resolver that died is started again. At once the first time, then ever
// later up to a cap, and never not at all.
//
// A value; one thread. It knows no clock and no process.
#pragma once

#include <algorithm>
#include <chrono>

namespace meshdns::dns {

class RestartPolicy {
 public:
  static constexpr std::chrono::milliseconds kSecond{250};  // before the second restart
  static constexpr std::chrono::milliseconds kCap{10'000};
  // Whoever ran so long did not die of how it was started.
  static constexpr std::chrono::seconds kWell{60};

  // It died after `uptime`: how long to wait before the next start.
  [[nodiscard]] std::chrono::milliseconds next(std::chrono::nanoseconds uptime) {
    if (uptime >= kWell) {
      next_ = {};
    }
    const auto delay = next_;
    next_ = next_.count() == 0 ? kSecond : std::min(next_ * 2, kCap);
    return delay;
  }

 private:
  std::chrono::milliseconds next_{0};
};

}  // namespace meshdns::dns
