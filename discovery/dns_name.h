// What text is a DNS name, for feeds and the control plane. Hosts, not the wire: no escapes, no
// octets beyond ASCII.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace meshdns::discovery {

// Of a name's text, without a trailing dot (RFC 1035 section 2.3.4). Meshes, zones and instances
// have no longer names either.
inline constexpr std::size_t kMaxNameOctets = 253;

// A letter, a digit or a hyphen (RFC 952).
[[nodiscard]] constexpr bool is_host_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

// Labels of 1 to 63 letters, digits, hyphens and underscores between dots, kMaxNameOctets at
// most. Underscores are no host name's, but service names have them.
[[nodiscard]] bool is_dns_name(std::string_view text);

// ASCII letters in lower case, as names are compared (RFC 4343).
[[nodiscard]] std::string fold_name(std::string_view text);

}  // namespace meshdns::discovery
