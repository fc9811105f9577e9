#include "base/clock.h"

#include <chrono>
#include <ctime>

namespace meshdns {

TimePoint SystemClock::now() const {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);  // cannot fail: the clock exists since Linux 2.6.39
  return TimePoint(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace meshdns
