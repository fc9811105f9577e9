#include "base/wall_clock.h"

#include <chrono>

namespace meshdns {

WallTime SystemWallClock::now() const {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace meshdns
