// The time of day, which may jump at any moment, to 1970 or past 2038.
//
// It decides two things only: how old what an earlier boot of the machine left on disk is, and
// whether a token's time has come or gone. Everything else goes by Clock. A test reads the sources
// for other uses.
#pragma once

#include <chrono>

namespace meshdns {

using WallTime = std::chrono::sys_seconds;

// Thread-safe.
class WallClock {
 public:
  WallClock() = default;
  WallClock(const WallClock&) = delete;
  WallClock& operator=(const WallClock&) = delete;
  virtual ~WallClock() = default;

  [[nodiscard]] virtual WallTime now() const = 0;
};

class SystemWallClock final : public WallClock {
 public:
  [[nodiscard]] WallTime now() const override;
};

}  // namespace meshdns
