#include "vip/key.h"

#include <initializer_list>
#include <string>
#include <string_view>

namespace meshdns::vip {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

void append_escaped(std::string_view part, std::string& key) {
  for (const char c : part) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > 0x20 && octet < 0x7f && c != '/' && c != '%') {
      key += c;
    } else {
      key += '%';
      key += kHexDigits[octet >> 4U];
      key += kHexDigits[octet & 0xfU];
    }
  }
}

}  // namespace

std::string lease_key(std::string_view mesh, std::string_view kind, std::string_view zone,
                      std::string_view name_space, std::string_view name) {
  std::string key;
  key.reserve(mesh.size() + kind.size() + zone.size() + name_space.size() + name.size() + 4);
  append_escaped(mesh, key);
  for (const std::string_view part : {kind, zone, name_space, name}) {
    key += '/';
    append_escaped(part, key);
  }
  return key;
}

std::string service_lease_key(std::string_view mesh, std::string_view name) {
  return lease_key(mesh, "service", "", "", name);
}

}  // namespace meshdns::vip
