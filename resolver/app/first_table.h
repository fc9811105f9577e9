// When a first table counts as known. Delta xDS does not mark the last response of a table that
// comes in several: a large one is taken for one of them until a small one comes, or nothing for a
// while. What a client asks for meanwhile is not denied; it is not known yet.
//
// A value of the control thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "base/clock.h"
#include "discovery/service.h"

namespace meshdns::dns {

class FirstTable {
 public:
  static constexpr std::size_t kPartServices = 256;  // a response with so many may be a part
  static constexpr std::chrono::milliseconds kSettle{250};

  // Whether the table is whole with this response.
  [[nodiscard]] bool ends_with(const discovery::ServiceDelta& delta, TimePoint now) {
    const bool whole = delta.full_state || delta.services.size() < kPartServices;
    whole_at_ = whole ? std::nullopt : std::optional(now + kSettle);
    return whole;
  }
  // When it is whole if nothing more comes; nothing when it is, or has not begun.
  [[nodiscard]] std::optional<TimePoint> whole_at() const { return whole_at_; }

 private:
  std::optional<TimePoint> whole_at_;
};

}  // namespace meshdns::dns
