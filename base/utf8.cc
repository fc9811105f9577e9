#include "base/utf8.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace meshdns {
namespace {

// The octets of the character that `lead` begins; 0 when it begins none.
std::size_t length_of(std::uint8_t lead) {
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xc2 && lead < 0xe0) {
    return 2;
  }
  if (lead >= 0xe0 && lead < 0xf0) {
    return 3;
  }
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

// RFC 3629 section 4: four leads narrow the octet that follows them.
bool may_follow(std::uint8_t lead, std::uint8_t second) {
  const std::uint8_t lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const std::uint8_t highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return second >= lowest && second <= highest;
}

}  // namespace

std::size_t utf8_character_octets(std::string_view text) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::size_t length = text.empty() ? 0 : length_of(octet(0));
  if (length > text.size()) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    const bool is_good = i == 1 ? may_follow(octet(0), octet(1)) : (octet(i) & 0xc0U) == 0x80U;
    if (!is_good) {
      return 0;
    }
  }
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_character_octets(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace meshdns
