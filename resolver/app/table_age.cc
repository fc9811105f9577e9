#include "resolver/app/table_age.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/clock.h"
#include "resolver/snapshot/standing.h"

namespace meshdns::dns {

void TableAge::confirm(TimePoint now) {
  confirmed_at_ = now;
  believed_from_.reset();
}

void TableAge::see(bool connected, TimePoint now) {
  if (!connected) {
    connected_ = false;
    believed_from_.reset();
    return;
  }
  const bool paused = connected_ && confirmed_at_ && now - *confirmed_at_ > kLongestPause;
  connected_ = true;
  if (paused && !believed_from_) {
    believed_from_ = now + kProof;
  }
  if (!believed_from_ || now >= *believed_from_) {
    confirm(now);
  }
}

std::optional<std::chrono::nanoseconds> TableAge::age(TimePoint now) const {
  if (!confirmed_at_) {
    return std::nullopt;
  }
  const auto age = std::max(now - *confirmed_at_, std::chrono::nanoseconds::zero());
  return connected_ && age <= kLongestPause ? std::chrono::nanoseconds::zero() : age;
}

Standing::Age TableAge::standing(TimePoint now) const {
  const auto current = age(now);
  if (current && limits_.expire_after && *current >= *limits_.expire_after) {
    return Standing::Age::kExpired;
  }
  const bool stale = limits_.stale_after && (!current || *current >= *limits_.stale_after);
  return stale ? Standing::Age::kStale : Standing::Age::kFresh;
}

std::optional<TimePoint> TableAge::changes_at(TimePoint now) const {
  if (connected_ || !confirmed_at_) {
    return std::nullopt;
  }
  std::optional<TimePoint> next;
  for (const auto& limit : {limits_.stale_after, limits_.expire_after}) {
    if (limit && *confirmed_at_ + *limit > now) {
      next = next ? std::min(*next, *confirmed_at_ + *limit) : *confirmed_at_ + *limit;
    }
  }
  return next;
}

}  // namespace meshdns::dns
