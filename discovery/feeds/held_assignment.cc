#include "discovery/feeds/held_assignment.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

namespace meshdns::discovery {

// "OCTETS:ASSIGNMENTVERSION": either may hold any octet.
std::string HeldAssignment::to_text() const {
  return fmt::format("{}:{}{}", assignment.size(), assignment, version);
}

std::optional<HeldAssignment> HeldAssignment::parse(std::string_view text) {
  std::size_t octets = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), octets);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || digits == text.size() || text[digits] != ':' ||
      text.size() - digits - 1 < octets) {
    return std::nullopt;
  }
  const std::string_view rest = text.substr(digits + 1);
  return HeldAssignment{.version = std::string(rest.substr(octets)),
                        .assignment = std::string(rest.substr(0, octets))};
}

}  // namespace meshdns::discovery
