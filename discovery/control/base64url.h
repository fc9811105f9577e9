// base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace meshdns::discovery {

[[nodiscard]] std::string encode_base64url(std::string_view octets);

// Nothing unless `text` is what encode_base64url() makes of something: no padding, no blanks, no
// bits left over. So there is one text for each value.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace meshdns::discovery
