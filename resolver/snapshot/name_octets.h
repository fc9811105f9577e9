// A name's octets as the characters of a table's key, and back. Views of the same octets.
#pragma once

#include <cstdint>
#include <string_view>

#include "resolver/wire/name.h"

namespace meshdns::dns {

[[nodiscard]] inline std::string_view to_characters(NameView name) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a key holds octets as char.
  return {reinterpret_cast<const char*>(name.octets().data()), name.octets().size()};
}

// `characters` are those of a name.
[[nodiscard]] inline NameView to_name(std::string_view characters) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): likewise.
  return NameView({reinterpret_cast<const std::uint8_t*>(characters.data()), characters.size()});
}

}  // namespace meshdns::dns
