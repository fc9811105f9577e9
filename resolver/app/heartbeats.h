// The signs of life of a resolver's threads, and whose have been missing for too long.
//
// Thread 0 is the control thread, the others are the workers. Belongs to one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace meshdns::dns {

// How often a thread says that it is alive, so that one which may be silent for `watchdog` is not
// missed for a late turn; 0 where `watchdog` is, which is for never.
[[nodiscard]] std::chrono::milliseconds beat_interval(std::chrono::milliseconds watchdog);

class Heartbeats {
 public:
  // The control thread answers no question, and has more to do at once: it may be silent longer.
  static constexpr int kControlFactor = 5;

  struct Silence {
    std::string thread;  // "control", "worker-0"
    std::chrono::milliseconds duration;
  };

  // Each counts as alive until `from`, at which it must have begun.
  Heartbeats(std::size_t threads, TimePoint from) : last_(threads, from) {}

  // A thread that there is none of is ignored.
  void beat(std::size_t thread, TimePoint now);
  // Who listens looks at its clock, as often as it can. Where that was long ago, it was stopped, or
  // the machine slept, or a disk held it up: nobody could be heard, and nobody is missed for it.
  void listen(TimePoint now, std::chrono::milliseconds watchdog);
  // For when nobody could be heard until now.
  void forgive(TimePoint now);
  // The first thread that has been silent for `watchdog`, which is above 0.
  [[nodiscard]] std::optional<Silence> silence(TimePoint now,
                                               std::chrono::milliseconds watchdog) const;
  // When there will be one if nobody says anything.
  [[nodiscard]] std::optional<TimePoint> due(std::chrono::milliseconds watchdog) const;

 private:
  std::vector<TimePoint> last_;
  std::optional<TimePoint> listened_{};
};

}  // namespace meshdns::dns
