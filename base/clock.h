// Monotonic time that counts suspend (CLOCK_BOOTTIME), injected so that tests own it.
//
// Nothing in meshdns decides by wall-clock time: TTLs, timeouts and quarantines survive any jump of
// it.
#pragma once

#include <chrono>

namespace meshdns {

// The time line of Clock: nanoseconds since boot, suspend included.
struct BootTime {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootTime>;
  // NOLINTNEXTLINE(readability-identifier-naming): the name that std::chrono asks for
  static constexpr bool is_steady = true;
};

using TimePoint = BootTime::time_point;

// Thread-safe. Tests use support::ManualClock.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual TimePoint now() const = 0;
};

// The machine's clock.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override;
};

}  // namespace meshdns
