#include "resolver/app/setting_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits{
    {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 3> kSizes{
    {{"GiB", std::uint64_t{1} << 30U}, {"MiB", std::uint64_t{1} << 20U}, {"KiB", 1024}}};

constexpr std::size_t kMaxLabel = 63;  // RFC 1035 section 3.1
constexpr std::size_t kMaxZone = 253;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabel && std::ranges::all_of(label, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '_';
  });
}

// The number that `text` starts with, and what follows it. Nothing when there is none that fits.
struct Leading {
  bool found = false;
  std::uint64_t number = 0;
  std::string_view rest;
};

Leading leading_number(std::string_view text) {
  Leading result;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [next, error] = std::from_chars(begin, end, result.number);
  result.found = error == std::errc();
  result.rest = text.substr(static_cast<std::size_t>(next - begin));
  return result;
}

}  // namespace

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t minimum,
                                   std::uint64_t maximum) {
  const Leading leading = leading_number(text);
  if (!leading.found || !leading.rest.empty() || leading.number < minimum ||
      leading.number > maximum) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is out of range or no number (write {} to {})", escape_name(text),
                            minimum, maximum));
  }
  return leading.number;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text,
                                                 std::chrono::milliseconds minimum,
                                                 std::chrono::milliseconds maximum) {
  const Leading leading = leading_number(text);
  const auto* const unit =
      std::ranges::find(kUnits, leading.rest, &std::pair<std::string_view, std::int64_t>::first);
  if (!leading.found || unit == kUnits.end()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no duration (write a number with ms, s, m or h, such as {})",
                            escape_name(text), print_duration(minimum)));
  }
  const auto limit = static_cast<std::uint64_t>(maximum.count() / unit->second);
  const auto value = std::chrono::milliseconds(
      leading.number > limit ? maximum.count() + 1
                             : static_cast<std::int64_t>(leading.number) * unit->second);
  if (value < minimum || value > maximum) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is out of range (write {} to {})", escape_name(text),
                            print_duration(minimum), print_duration(maximum)));
  }
  return value;
}

std::string print_duration(std::chrono::milliseconds duration) {
  for (const auto& [name, factor] : kUnits) {
    if (duration.count() != 0 && duration.count() % factor == 0) {
      return fmt::format("{}{}", duration.count() / factor, name);
    }
  }
  return fmt::format("{}ms", duration.count());
}

Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t minimum,
                                 std::uint64_t maximum) {
  const Leading leading = leading_number(text);
  const auto* const unit =
      std::ranges::find(kSizes, leading.rest, &std::pair<std::string_view, std::uint64_t>::first);
  if (!leading.found || unit == kSizes.end()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no size (write a number with KiB, MiB or GiB, such as {})",
                            escape_name(text), print_size(maximum)));
  }
  if (leading.number > maximum / unit->second || leading.number * unit->second < minimum) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is out of range (write {} to {})", escape_name(text),
                            print_size(minimum), print_size(maximum)));
  }
  return leading.number * unit->second;
}

std::string print_size(std::uint64_t octets) {
  for (const auto& [name, factor] : kSizes) {
    if (octets != 0 && octets % factor == 0) {
      return fmt::format("{}{}", octets / factor, name);
    }
  }
  return fmt::format("{}MiB", octets >> 20U);
}

Result<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "false") {
    return text == "true";
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is neither true nor false (write one of them)", escape_name(text)));
}

Result<std::string> parse_zone(std::string_view text) {
  std::string zone(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
  std::ranges::transform(zone, zone.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  bool good = !zone.empty() && zone.size() <= kMaxZone;
  for (std::string_view rest = zone; good;) {
    const std::size_t dot = rest.find('.');
    good = is_label(rest.substr(0, dot));
    if (dot == std::string_view::npos) {
      break;
    }
    rest = rest.substr(dot + 1);
  }
  if (!good) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no zone name (write one such as mesh or mesh.local)",
                            escape_name(text)));
  }
  return zone;
}

Result<std::string> parse_word(std::string_view text, std::size_t maximum) {
  const bool good = !text.empty() && text.size() <= maximum && is_alphanumeric(text.front()) &&
                    std::ranges::all_of(text, [](char c) {
                      return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
                    });
  if (!good) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no plain word (write 1 to {} letters, digits, '.', '_' or '-')",
                    escape_name(text), maximum));
  }
  return std::string(text);
}

}  // namespace meshdns::dns
