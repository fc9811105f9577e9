// UTF-8 (RFC 3629): what text fields of protobuf and JSON documents may hold.
#pragma once

#include <cstddef>
#include <string_view>

namespace meshdns {

// How many octets the first character of `text` has: 1 to 4, or 0 when `text` is empty or begins
// with none. Overlong forms, surrogates and what lies above U+10FFFF are none.
[[nodiscard]] std::size_t utf8_character_octets(std::string_view text);

// Whether `text` is nothing but characters.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace meshdns
