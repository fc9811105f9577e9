// When the table's image is written: soon after a publication, but not again at once, and the more
// rarely the longer it takes.
//
// One thread. It knows no file: whoever asks it says what has happened.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"

namespace meshdns::dns {

class ImageSchedule {
 public:
  // From a publication to the image of it, and from one image to the next.
  static constexpr std::chrono::seconds kDelay{1};
  static constexpr std::chrono::seconds kPause{15};
  // One image of a large table takes long: the next begins so many times as long later, at least.
  // So they take half a percent of a core at most, and of a slow disk's time. But a disk that hung
  // once, or a machine that slept meanwhile, is no reason to wait for hours.
  static constexpr int kShare = 200;
  static constexpr std::chrono::minutes kLongestPause{10};

  // There is a newer table than in the image.
  void note_published(TimePoint now);
  // Its writing begins, or has ended. One that was not written is still wanted.
  void begin(TimePoint now);
  void end(TimePoint now, bool written);

  [[nodiscard]] bool is_wanted() const { return is_wanted_; }
  // When to begin; nothing while none is wanted, or one is being written.
  [[nodiscard]] std::optional<TimePoint> due() const {
    return is_wanted_ && !is_in_work_ ? std::optional(due_) : std::nullopt;
  }

 private:
  bool is_wanted_ = false;
  bool is_in_work_ = false;
  TimePoint begun_;
  TimePoint due_;
};

}  // namespace meshdns::dns
