#include "discovery/dns_name.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace meshdns::discovery {
namespace {

constexpr std::size_t kMaxLabelOctets = 63;

}  // namespace

bool is_dns_name(std::string_view text) {
  if (text.size() > kMaxNameOctets) {
    return false;
  }
  std::size_t label = 0;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) {
        return false;
      }
      label = 0;
    } else if ((!is_host_letter(c) && c != '_') || ++label > kMaxLabelOctets) {
      return false;
    }
  }
  return label > 0;
}

std::string fold_name(std::string_view text) {
  std::string folded(text);
  std::ranges::transform(folded, folded.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return folded;
}

}  // namespace meshdns::discovery
