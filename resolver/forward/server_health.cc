#include "resolver/forward/server_health.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

bool ServerHealth::hold_for_loop(TimePoint now) {
  const auto until = (now + kLoopHold).time_since_epoch().count();
  return looping_until_.exchange(until, std::memory_order_relaxed) <=
         now.time_since_epoch().count();
}

bool ServerHealth::claim(Nanoseconds& next, TimePoint now, std::chrono::nanoseconds interval) {
  auto due = next.load(std::memory_order_relaxed);
  return now.time_since_epoch().count() >= due &&
         next.compare_exchange_strong(due, (now + interval).time_since_epoch().count(),
                                      std::memory_order_relaxed);
}

void ServerHealth::note_reply(TimePoint now) {
  last_reply_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  if (is_suspect()) {
    suspect_.store(false, std::memory_order_relaxed);
    penalties_.store(0, std::memory_order_relaxed);
    down_until_.store(0, std::memory_order_relaxed);
    next_refusal_.store(0, std::memory_order_relaxed);
  }
  if (retries_.load(std::memory_order_relaxed) < kMaxRetries) {
    retries_.fetch_add(kRetriesPerReply, std::memory_order_relaxed);
  }
}

bool ServerHealth::count_silence(TimePoint asked, TimePoint now) {
  // What it said to another question meanwhile shows that this one was lost, or takes its time.
  if (asked <= time_of(last_reply_)) {
    return false;
  }
  // Of many questions that fail together one counts.
  auto counted = silent_at_.load(std::memory_order_relaxed);
  return asked.time_since_epoch().count() >= counted &&
         silent_at_.compare_exchange_strong(counted, now.time_since_epoch().count(),
                                            std::memory_order_relaxed);
}

void ServerHealth::note_silence(TimePoint asked, TimePoint now) {
  if (count_silence(asked, now) && suspect_.exchange(true, std::memory_order_relaxed)) {
    take_down(now);
  }
}

void ServerHealth::note_silence_of_equal(TimePoint asked, TimePoint now) {
  if (count_silence(asked, now)) {
    suspect_.store(true, std::memory_order_relaxed);
    take_down(now);
  }
}

void ServerHealth::note_refusal(TimePoint now) {
  // Of many that are refused together one counts.
  if (claim(next_refusal_, now, kReturnInterval)) {
    suspect_.store(true, std::memory_order_relaxed);
    take_down(now);
  }
}

void ServerHealth::take_down(TimePoint now) {
  constexpr int kMaxPenalties = 5;
  const int before = std::min(penalties_.fetch_add(1, std::memory_order_relaxed), kMaxPenalties);
  const auto penalty = std::min(kFirstPenalty * (1 << before), kLongestPenalty);
  down_until_.store((now + penalty).time_since_epoch().count(), std::memory_order_relaxed);
  next_return_.store((now + kReturnInterval).time_since_epoch().count(), std::memory_order_relaxed);
}

bool ServerHealth::take_retry(TimePoint now) {
  if (retries_.load(std::memory_order_relaxed) > 0) {
    retries_.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }
  return claim(next_free_retry_, now, kFreeRetryInterval);
}

std::shared_ptr<ServerHealth> HealthBook::of(const UpstreamServer& server) {
  const std::string label = server.label();
  const std::scoped_lock lock(mutex_);
  if (const auto known = servers_.find(label); known != servers_.end()) {
    if (auto health = known->second.lock()) {
      return health;
    }
  }
  for (auto entry = servers_.begin(); entry != servers_.end();) {
    entry = entry->second.expired() ? servers_.erase(entry) : std::next(entry);
  }
  auto health = std::make_shared<ServerHealth>(server);
  servers_[label] = health;
  return health;
}

}  // namespace meshdns::dns
