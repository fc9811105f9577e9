#include "resolver/app/event_drain.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "base/metrics.h"
#include "resolver/server/event_ring.h"

namespace meshdns::dns {
namespace {

constexpr std::chrono::milliseconds kShortestPause{4};
constexpr std::chrono::milliseconds kLongestPause{100};
// Of one ring, before the next has its turn and the sink writes.
constexpr std::size_t kMaxTaken = 1024;

}  // namespace

EventDrain::EventDrain(std::unique_ptr<EventSink> sink, std::size_t workers, Counter& dropped)
    : sink_(std::move(sink)), dropped_(dropped) {
  for (std::size_t i = 0; i < workers; ++i) {
    rings_.push_back(std::make_unique<EventRing>(kRingOctets));
  }
  // Signals are the control thread's: the new thread inherits a mask of all.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

EventDrain::~EventDrain() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void EventDrain::reopen() {
  {
    const std::scoped_lock lock(mutex_);
    reopening_ = true;
  }
  changed_.notify_one();
}

bool EventDrain::drain() {
  bool any = false;
  for (const auto& ring : rings_) {
    for (std::size_t i = 0; i < kMaxTaken; ++i) {
      const auto entry = ring->front();
      if (!entry) {
        break;
      }
      sink_->take(*entry);
      ring->pop();
      any = true;
    }
  }
  sink_->flush();
  count_dropped();
  return any;
}

void EventDrain::count_dropped() {
  std::uint64_t dropped = 0;
  for (const auto& ring : rings_) {
    dropped += ring->dropped();
  }
  if (dropped != counted_) {
    dropped_.add(dropped - counted_);
    counted_ = dropped;
  }
}

void EventDrain::run() {
  auto pause = kShortestPause;
  for (;;) {
    const bool any = drain();
    std::unique_lock lock(mutex_);
    if (std::exchange(reopening_, false)) {
      lock.unlock();
      sink_->reopen();
      continue;
    }
    if (stopping_) {
      break;
    }
    if (any) {
      pause = kShortestPause;
    }
    changed_.wait_for(lock, pause, [this] { return stopping_ || reopening_; });
    pause = std::min(pause * 2, kLongestPause);
  }
  // Workers have ended: what is there now is the last.
  constexpr int kLastRounds = 64;
  for (int i = 0; i < kLastRounds && drain(); ++i) {
  }
}

}  // namespace meshdns::dns
