// EventDrain: the thread that takes events out of the workers' rings and writes them somewhere.
//
// It looks every few milliseconds while there are some, every tenth of a second while there are
// none: nobody wakes it, so that a worker never makes a system call for it. What it cannot keep up
// with is dropped by the rings and counted.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "resolver/server/event_ring.h"

namespace meshdns::dns {

// Where events go. All calls come from the drain's thread; none may wait for longer than about a
// second, whatever stands at the other end.
class EventSink {
 public:
  EventSink() = default;
  EventSink(const EventSink&) = delete;
  EventSink& operator=(const EventSink&) = delete;
  virtual ~EventSink() = default;

  virtual void take(const EventRing::Entry& entry) = 0;
  // Writes out what was taken.
  virtual void flush() = 0;
  // Opens its file anew: the old one may have been renamed.
  virtual void reopen() = 0;
};

class EventDrain {
 public:
  // Of one worker: some 10,000 log lines, or messages of a millisecond at full load.
  static constexpr std::size_t kRingOctets = std::size_t{4} << 20U;

  // `dropped` counts what had no room in a ring; it outlives the drain.
  EventDrain(std::unique_ptr<EventSink> sink, std::size_t workers, Counter& dropped);
  EventDrain(const EventDrain&) = delete;
  EventDrain& operator=(const EventDrain&) = delete;
  // Writes what is in the rings, which nobody fills any more, and ends the thread.
  ~EventDrain();

  [[nodiscard]] EventRing& ring(std::size_t worker) { return *rings_[worker]; }
  // Has the sink reopen its file soon.
  void reopen();

 private:
  void run();
  [[nodiscard]] bool drain();
  void count_dropped();

  const std::unique_ptr<EventSink> sink_;
  std::vector<std::unique_ptr<EventRing>> rings_;
  Counter& dropped_;
  std::uint64_t counted_ = 0;
  std::mutex mutex_;  // guards the two below
  bool stopping_ = false;
  bool reopening_ = false;
  std::condition_variable changed_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace meshdns::dns
