// Text as a JSON string (RFC 8259 section 7).
#pragma once

#include <string>
#include <string_view>

namespace meshdns {

// `text` in quotes. Any octets give valid JSON that is safe to print: UTF-8 stays what it is, an
// octet that is none becomes U+FFFD, and control characters, C1 ones among them, are escaped.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace meshdns
