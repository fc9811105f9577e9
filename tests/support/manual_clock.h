// A clock that moves only when the test says so. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace meshdns::support {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    return TimePoint(std::chrono::nanoseconds(nanoseconds_.load()));
  }
  void advance(std::chrono::nanoseconds by) { nanoseconds_.fetch_add(by.count()); }

 private:
  // Not zero, so that a forgotten initialisation shows.
  std::atomic<std::chrono::nanoseconds::rep> nanoseconds_{1'000'000'000'000};
};

}  // namespace meshdns::support
