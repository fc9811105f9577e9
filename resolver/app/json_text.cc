#include "resolver/app/json_text.h"

#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace meshdns::dns {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20 || octet >= 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", octet);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace meshdns::dns
