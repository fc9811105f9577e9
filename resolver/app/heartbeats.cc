#include "resolver/app/heartbeats.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/clock.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;

constexpr int kBeatsPerWatchdog = 4;
constexpr milliseconds kShortestBeat{20};

milliseconds limit_of(std::size_t thread, milliseconds watchdog) {
  return thread == 0 ? watchdog * Heartbeats::kControlFactor : watchdog;
}

std::string name_of(std::size_t thread) {
  return thread == 0 ? "control" : fmt::format("worker-{}", thread - 1);
}

}  // namespace

milliseconds beat_interval(milliseconds watchdog) {
  return watchdog.count() == 0 ? milliseconds(0)
                               : std::max(watchdog / kBeatsPerWatchdog, kShortestBeat);
}

void Heartbeats::beat(std::size_t thread, TimePoint now) {
  if (thread < last_.size()) {
    last_[thread] = now;
  }
}

void Heartbeats::listen(TimePoint now, milliseconds watchdog) {
  if (listened_ && now - *listened_ > 2 * beat_interval(watchdog)) {
    forgive(now);
  }
  listened_ = now;
}

void Heartbeats::forgive(TimePoint now) {
  for (TimePoint& last : last_) {
    last = std::max(last, now);
  }
}

std::optional<Heartbeats::Silence> Heartbeats::silence(TimePoint now, milliseconds watchdog) const {
  for (std::size_t thread = 0; thread < last_.size(); ++thread) {
    if (now >= last_[thread] + limit_of(thread, watchdog)) {
      return Silence{.thread = name_of(thread),
                     .duration = std::chrono::duration_cast<milliseconds>(now - last_[thread])};
    }
  }
  return std::nullopt;
}

std::optional<TimePoint> Heartbeats::due(milliseconds watchdog) const {
  std::optional<TimePoint> soonest;
  for (std::size_t thread = 0; thread < last_.size(); ++thread) {
    const TimePoint at = last_[thread] + limit_of(thread, watchdog);
    soonest = std::min(soonest.value_or(at), at);
  }
  return soonest;
}

}  // namespace meshdns::dns
