// Types, classes and rcodes as people write them: "AAAA", "TYPE65280", "CH", "NXDOMAIN".
#pragma once

#include <cstdint>
#include <string>

namespace meshdns::dns {

[[nodiscard]] std::string type_text(std::uint16_t type);
[[nodiscard]] std::string class_text(std::uint16_t rrclass);
[[nodiscard]] std::string rcode_text(unsigned rcode);

}  // namespace meshdns::dns
