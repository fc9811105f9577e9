// What is known of one upstream server: one per server and process, whichever worker learnt it.
//
// Passive: it is learnt from clients' questions alone, and only from replies that matched one, or
// from their absence, so that a forger can make no server look bad. A server that said nothing
// while it had its turn may wait for somebody else, for this one question: it is suspect and keeps
// its place, for shorter turns. When it says nothing to a question that was asked since, it is down
// for a while, longer each time; meanwhile one question a second looks whether it is back. Any
// reply ends all that. One of equals is down at once. Retries come out of a budget that replies
// fill: in an outage there are hardly more packets than questions.
//
// Thread-safe: atomics, each of which stands for itself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/clock.h"
#include "resolver/forward/rtt_estimate.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

class ServerHealth {
 public:
  // How long a server is not asked that leads back to us.
  static constexpr std::chrono::seconds kLoopHold{60};
  // How often a question that came back may be looked into.
  static constexpr std::chrono::seconds kLoopProbeInterval{1};

  // How long a server that was silent is down: at first, and at most.
  static constexpr std::chrono::seconds kFirstPenalty{5};
  static constexpr std::chrono::seconds kLongestPenalty{60};
  // How often a question asks a server that is down.
  static constexpr std::chrono::seconds kReturnInterval{1};
  // How often a question asks a server besides, to know how fast it is.
  static constexpr std::chrono::seconds kComparisonInterval{5};
  // Retries: a server that never replied has so many, each reply gives two more, and when there
  // are none left one is free in each interval.
  static constexpr int kMaxRetries = 500;
  static constexpr int kRetriesPerReply = 2;
  static constexpr std::chrono::milliseconds kFreeRetryInterval{20};

  explicit ServerHealth(UpstreamServer server) : server_(std::move(server)) {}

  [[nodiscard]] const UpstreamServer& server() const { return server_; }

  // It was seen to lead back to us; false when that was known already.
  bool hold_for_loop(TimePoint now);
  [[nodiscard]] bool is_looping(TimePoint now) const { return is_before(now, looping_until_); }
  // True for one caller in each kLoopProbeInterval.
  [[nodiscard]] bool claim_loop_probe(TimePoint now) {
    return claim(next_loop_probe_, now, kLoopProbeInterval);
  }

  void note_reply(TimePoint now);
  // It had its turn since `asked` and said nothing to that question.
  void note_silence(TimePoint asked, TimePoint now);
  // The same of one whose place costs nothing: it is down at once.
  void note_silence_of_equal(TimePoint asked, TimePoint now);
  // It cannot be reached, or nothing listens there.
  void note_refusal(TimePoint now);
  // It was silent or refused, and has said nothing since.
  [[nodiscard]] bool is_suspect() const { return suspect_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_down(TimePoint now) const { return is_before(now, down_until_); }
  // True for one caller in each kReturnInterval.
  [[nodiscard]] bool claim_return(TimePoint now) {
    return claim(next_return_, now, kReturnInterval);
  }

  // Until when it is down, and held as a loop; in the past when it is neither.
  [[nodiscard]] TimePoint down_until() const { return time_of(down_until_); }
  [[nodiscard]] TimePoint looping_until() const { return time_of(looping_until_); }

  [[nodiscard]] RttEstimate& rtt() { return rtt_; }
  [[nodiscard]] const RttEstimate& rtt() const { return rtt_; }
  // True for one caller in each kComparisonInterval.
  [[nodiscard]] bool claim_comparison(TimePoint now) {
    return claim(next_comparison_, now, kComparisonInterval);
  }

  // Whether a question may be sent to it once more.
  [[nodiscard]] bool take_retry(TimePoint now);

 private:
  using Nanoseconds = std::atomic<TimePoint::rep>;
  [[nodiscard]] static bool is_before(TimePoint now, const Nanoseconds& end) {
    return now.time_since_epoch().count() < end.load(std::memory_order_relaxed);
  }

  [[nodiscard]] static TimePoint time_of(const Nanoseconds& time) {
    return TimePoint(TimePoint::duration(time.load(std::memory_order_relaxed)));
  }

  // True for one caller after each `interval`.
  [[nodiscard]] static bool claim(Nanoseconds& next, TimePoint now,
                                  std::chrono::nanoseconds interval);
  // Whether a silence since `asked` counts.
  [[nodiscard]] bool count_silence(TimePoint asked, TimePoint now);
  void take_down(TimePoint now);

  UpstreamServer server_;
  Nanoseconds looping_until_{0};
  Nanoseconds next_loop_probe_{0};
  Nanoseconds last_reply_{0};
  Nanoseconds silent_at_{0};  // the last time that counted
  Nanoseconds next_refusal_{0};
  std::atomic<bool> suspect_{false};
  Nanoseconds down_until_{0};
  Nanoseconds next_return_{0};
  std::atomic<int> penalties_{0};  // in a row
  std::atomic<int> retries_{kMaxRetries};
  Nanoseconds next_free_retry_{0};
  Nanoseconds next_comparison_{0};
  RttEstimate rtt_;
};

// All servers that somebody knows. Any thread, not per question.
class HealthBook {
 public:
  HealthBook() = default;
  HealthBook(const HealthBook&) = delete;
  HealthBook& operator=(const HealthBook&) = delete;
  ~HealthBook() = default;

  // The same object for the same label, as long as somebody has it; then it is forgotten.
  [[nodiscard]] std::shared_ptr<ServerHealth> of(const UpstreamServer& server);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<ServerHealth>> servers_;
};

}  // namespace meshdns::dns
