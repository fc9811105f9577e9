// How often a counted test repeats what it does: few times in `./dev test`, all of them in
// `./dev kills` and `./dev soak`. Such a test has the ctest label `counted`.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace meshdns::support {

// MESHDNS_COUNTED decides: `full` is `all`, a number is that number, unset is `few`.
[[nodiscard]] inline std::uint64_t counted(std::uint64_t few, std::uint64_t all) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets the environment of a test.
  const char* value = std::getenv("MESHDNS_COUNTED");
  const std::string_view text = value == nullptr ? "" : value;
  if (text == "full") {
    return all;
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : few;
}

}  // namespace meshdns::support
