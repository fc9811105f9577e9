// Whether octets are UTF-8, which is all that protobuf's text fields may hold.
#pragma once

#include <string_view>

namespace meshdns::discovery {

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace meshdns::discovery
