#include "resolver/app/age_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/wall_clock.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kStart = "meshdns-age 1 ";
constexpr std::size_t kMaxBootId = 64;

std::string checked_part(const AgeRecord& record) {
  return fmt::format("{}{} {} {} ", kStart, record.boot_id.empty() ? "-" : record.boot_id,
                     record.boot_time.time_since_epoch().count(),
                     record.wall_time.time_since_epoch().count());
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string print_age_record(const AgeRecord& record) {
  const std::string checked = checked_part(record);
  return fmt::format("{}{:08x}\n", checked, crc32c(checked));
}

std::optional<AgeRecord> parse_age_record(std::string_view text) {
  if (!text.starts_with(kStart)) {
    return std::nullopt;
  }
  std::array<std::string_view, 3> words;
  std::string_view rest = text.substr(kStart.size());
  for (std::string_view& word : words) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) {
      return std::nullopt;
    }
    word = rest.substr(0, space);
    rest.remove_prefix(space + 1);
  }
  const auto boot_time = parse_integer(words[1]);
  const auto wall_time = parse_integer(words[2]);
  if (words[0].empty() || words[0].size() > kMaxBootId || !boot_time || !wall_time) {
    return std::nullopt;
  }
  AgeRecord record{.boot_id = words[0] == "-" ? std::string() : std::string(words[0]),
                   .boot_time = TimePoint(std::chrono::nanoseconds(*boot_time)),
                   .wall_time = WallTime(std::chrono::seconds(*wall_time))};
  // Whatever is not written exactly so was not written by us.
  return print_age_record(record) == text ? std::optional(std::move(record)) : std::nullopt;
}

std::chrono::nanoseconds age_between(const AgeRecord& then, const AgeRecord& now) {
  using std::chrono::nanoseconds;
  if (!then.boot_id.empty() && then.boot_id == now.boot_id && then.boot_time <= now.boot_time &&
      then.boot_time >= TimePoint()) {
    return now.boot_time - then.boot_time;
  }
  const std::int64_t from = then.wall_time.time_since_epoch().count();
  const std::int64_t to = now.wall_time.time_since_epoch().count();
  if (from < 0 || to <= from) {
    return nanoseconds::zero();
  }
  constexpr std::int64_t kMost =
      std::chrono::duration_cast<std::chrono::seconds>(nanoseconds::max()).count();
  return std::chrono::seconds(std::min(to - from, kMost));
}

}  // namespace meshdns::dns
