#include "base/json_text.h"

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/utf8.h"

namespace meshdns {
namespace {

// C1 control characters are C2 80 to C2 9F in UTF-8; a terminal may act on them.
bool is_c1_control(std::string_view character) {
  return character.size() == 2 && character[0] == '\xc2' &&
         static_cast<unsigned char>(character[1]) < 0xa0;
}

void append_octet(std::string& out, char c) {
  const auto octet = static_cast<unsigned char>(c);
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else if (octet < 0x20 || octet == 0x7f) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", octet);
  } else {
    out += c;
  }
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t octets = utf8_character_octets(text);
    const std::string_view character = text.substr(0, octets);
    // What is no UTF-8 and what replaced such before are written alike.
    if (octets == 0 || character == "\xef\xbf\xbd") {
      out += "\\ufffd";
    } else if (octets == 1) {
      append_octet(out, text.front());
    } else if (is_c1_control(character)) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}",
                     static_cast<unsigned char>(character[1]));
    } else {
      out += character;
    }
    text.remove_prefix(octets == 0 ? 1 : octets);
  }
  return out + '"';
}

}  // namespace meshdns
