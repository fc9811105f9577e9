// When the next snapshot is published: the first change after quiet at once, later ones together.
// A plain value of the control thread; time is given.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace meshdns::dns {

class PublishSchedule {
 public:
  // Changes that come within this time after a snapshot wait for its end.
  static constexpr std::chrono::milliseconds kCoalesce{10};

  enum class Urgency : std::uint8_t {
    kNow,   // as soon as the schedule allows
    kSoon,  // may wait kCoalesce for something that makes it unnecessary to publish twice
  };

  void note_change(TimePoint now, Urgency urgency) {
    const TimePoint earliest = published_at_ ? *published_at_ + kCoalesce : now;
    const TimePoint wanted = urgency == Urgency::kNow ? now : now + kCoalesce;
    const TimePoint due = std::max(earliest, wanted);
    due_at_ = due_at_ ? std::min(*due_at_, due) : due;
  }

  // When to publish; nothing while there is no change.
  [[nodiscard]] std::optional<TimePoint> due_at() const { return due_at_; }
  [[nodiscard]] bool is_due(TimePoint now) const { return due_at_ && *due_at_ <= now; }

  void note_published(TimePoint now) {
    published_at_ = now;
    due_at_.reset();
  }

 private:
  std::optional<TimePoint> published_at_;
  std::optional<TimePoint> due_at_;
};

}  // namespace meshdns::dns
