// AgeRecord: when the table was last confirmed, in a form that outlives the process and the boot.
//
// On disk it is one line: "meshdns-age 1 BOOT_ID BOOT_TIME_NS WALL_TIME_S CRC32C".
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/wall_clock.h"

namespace meshdns::dns {

// A moment on both clocks.
struct AgeRecord {
  std::string boot_id;  // which boot `boot_time` counts from; empty: not known
  TimePoint boot_time;
  WallTime wall_time;

  friend bool operator==(const AgeRecord&, const AgeRecord&) = default;
};

[[nodiscard]] std::string print_age_record(const AgeRecord& record);
// Nothing where `text` is none.
[[nodiscard]] std::optional<AgeRecord> parse_age_record(std::string_view text);

// The time from `then` to `now`, never below zero: of the same boot by the clock that nobody sets,
// else by the wall clock.
[[nodiscard]] std::chrono::nanoseconds age_between(const AgeRecord& then, const AgeRecord& now);

}  // namespace meshdns::dns
