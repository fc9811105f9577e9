// Text to value and back for the kinds of value that settings have. Errors are
// "reason (what to write instead)".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace meshdns::dns {

// A decimal number within [minimum, maximum].
[[nodiscard]] Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t minimum,
                                                 std::uint64_t maximum);

// A whole number with its unit: ms, s, m or h. "30" alone is refused: nobody can tell its unit.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text,
                                                               std::chrono::milliseconds minimum,
                                                               std::chrono::milliseconds maximum);

// In the largest unit that is exact: "30s", "1500ms".
[[nodiscard]] std::string print_duration(std::chrono::milliseconds duration);

// Octets, as a whole number with its unit: KiB, MiB or GiB.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t minimum,
                                               std::uint64_t maximum);

// In the largest unit that is exact: "16MiB".
[[nodiscard]] std::string print_size(std::uint64_t octets);

// "true" or "false".
[[nodiscard]] Result<bool> parse_boolean(std::string_view text);

// A DNS zone such as "mesh" or "mesh.local": letters, digits, '-' and '_' in labels of 1 to 63
// octets, at most 253 in all. Returned in lower case without a final dot.
[[nodiscard]] Result<std::string> parse_zone(std::string_view text);

// A word for paths and identifiers: 1 to `maximum` letters, digits, '.', '_' or '-', not starting
// with '.' or '-'.
[[nodiscard]] Result<std::string> parse_word(std::string_view text, std::size_t maximum);

}  // namespace meshdns::dns
