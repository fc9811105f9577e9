// A time of day that a test sets.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/wall_clock.h"

namespace meshdns::support {

class ManualWallClock final : public WallClock {
 public:
  explicit ManualWallClock(WallTime now = WallTime(std::chrono::hours(24 * 365))) { set(now); }

  void set(WallTime now) { seconds_ = now.time_since_epoch().count(); }
  void advance(std::chrono::seconds by) { set(now() + by); }
  [[nodiscard]] WallTime now() const override { return WallTime(std::chrono::seconds(seconds_)); }

 private:
  std::atomic<std::int64_t> seconds_{0};
};

}  // namespace meshdns::support
