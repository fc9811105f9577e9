// When to look at connections for what they bring: at once where the process grows, seldom
// otherwise. A value of one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace meshdns::discovery {

class WatchPace {
 public:
  static constexpr std::chrono::seconds kSeldom{5};
  static constexpr std::uint64_t kGrowth = 16UL << 20U;  // octets

  // Whether it is time. `resident`: octets that the process occupies; 0: nobody knows, so it is.
  [[nodiscard]] bool is_due(std::chrono::steady_clock::time_point now, std::uint64_t resident) {
    resident_ = std::min(resident_, resident);
    if (last_ && now - *last_ < kSeldom && resident != 0 && resident - resident_ < kGrowth) {
      return false;
    }
    last_ = now;
    resident_ = resident;
    return true;
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::uint64_t resident_ = 0;  // the least since it was looked
};

}  // namespace meshdns::discovery
