// Text as a JSON string (RFC 8259 section 7), quotes included.
#pragma once

#include <string>
#include <string_view>

namespace meshdns::dns {

// Octets beyond ASCII are written as the code point of that number, so that any input gives
// valid JSON.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace meshdns::dns
