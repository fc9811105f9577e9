#include "resolver/forward/timer_queue.h"

#include <cstddef>

#include "base/clock.h"

namespace meshdns::dns {

void TimerQueue::schedule(Timer& timer, TimePoint due) {
  const bool earlier = heap_.empty() || due < heap_.front()->due_;
  cancel(timer);
  timer.due_ = due;
  heap_.push_back(nullptr);
  put(&timer, heap_.size() - 1);
  move_up(timer.place_);
  is_untold_ = is_untold_ || earlier;
  if (is_untold_ && on_earlier_) {
    on_earlier_();
    is_untold_ = false;
  }
}

void TimerQueue::cancel(Timer& timer) {
  const std::size_t place = timer.place_;
  if (place == Timer::kNowhere) {
    return;
  }
  timer.place_ = Timer::kNowhere;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (last != &timer) {
    put(last, place);
    move_up(place);
    move_down(last->place_);
  }
}

void TimerQueue::run_due() {
  const TimePoint now = clock_.now();
  while (!heap_.empty() && heap_.front()->due_ <= now) {
    Timer& timer = *heap_.front();
    cancel(timer);
    timer.on_due();
  }
}

void TimerQueue::move_up(std::size_t place) {
  Timer* const timer = heap_[place];
  while (place != 0) {
    const std::size_t parent = (place - 1) / 2;
    if (heap_[parent]->due_ <= timer->due_) {
      break;
    }
    put(heap_[parent], place);
    place = parent;
  }
  put(timer, place);
}

void TimerQueue::move_down(std::size_t place) {
  Timer* const timer = heap_[place];
  for (;;) {
    std::size_t child = 2 * place + 1;
    if (child >= heap_.size()) {
      break;
    }
    if (child + 1 < heap_.size() && heap_[child + 1]->due_ < heap_[child]->due_) {
      ++child;
    }
    if (timer->due_ <= heap_[child]->due_) {
      break;
    }
    put(heap_[child], place);
    place = child;
  }
  put(timer, place);
}

void TimerQueue::put(Timer* timer, std::size_t place) {
  heap_[place] = timer;
  timer->place_ = place;
}

}  // namespace meshdns::dns
