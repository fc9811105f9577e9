#include "resolver/app/image_schedule.h"

#include <algorithm>

#include "base/clock.h"

namespace meshdns::dns {

void ImageSchedule::note_published(TimePoint now) {
  if (!is_wanted_) {
    is_wanted_ = true;
    due_ = std::max(due_, now + kDelay);
  }
}

void ImageSchedule::begin(TimePoint now) {
  is_wanted_ = false;
  is_in_work_ = true;
  begun_ = now;
  due_ = begun_ + kPause;
}

void ImageSchedule::end(TimePoint now, bool written) {
  is_in_work_ = false;
  is_wanted_ = is_wanted_ || !written;
  if (written) {
    const TimePoint::duration taken = now - begun_;
    const TimePoint::duration longest = kLongestPause;
    due_ = std::max(due_, begun_ + std::min(kShare * taken, longest));
  }
}

}  // namespace meshdns::dns
