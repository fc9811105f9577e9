// TableAge: how long ago the served table was last confirmed by a control plane, and what follows
// from that.
//
// A value of the control thread; time is given. While a control plane is connected the age is zero,
// as long as somebody looks: after a time in which nobody did (a suspended machine) a connection
// proves nothing before it has had the time to be found dead.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "resolver/snapshot/standing.h"

namespace meshdns::dns {

class TableAge {
 public:
  struct Limits {
    std::optional<std::chrono::nanoseconds> stale_after;
    std::optional<std::chrono::nanoseconds> expire_after;
  };
  // Between two calls of see() while connected; longer means that this process did not run.
  static constexpr std::chrono::seconds kLongestPause{30};
  // The keepalive's time and timeout, and some more.
  static constexpr std::chrono::seconds kProof{45};

  // The age is unknown.
  explicit TableAge(const Limits& limits) : limits_(limits) {}

  // The table on disk is so old.
  void restore(std::chrono::nanoseconds age, TimePoint now) { confirmed_at_ = now - age; }
  // The control plane has told all there is, just now.
  void confirm(TimePoint now);
  // Whether a control plane that has done so is connected. Call it every few seconds.
  void see(bool connected, TimePoint now);

  // Nothing while it is unknown.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> age(TimePoint now) const;
  // Unknown counts as stale, and is never too old.
  [[nodiscard]] Standing::Age standing(TimePoint now) const;
  // When the standing changes if nothing happens.
  [[nodiscard]] std::optional<TimePoint> changes_at(TimePoint now) const;

 private:
  Limits limits_;
  std::optional<TimePoint> confirmed_at_;
  std::optional<TimePoint> believed_from_;  // a connection after a pause counts from then on
  bool connected_ = false;
};

}  // namespace meshdns::dns
