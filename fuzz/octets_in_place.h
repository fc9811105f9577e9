// Numbers in the midst of a file of ours (base/octets.h), for targets that put its checksums right.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/octets.h"

namespace meshdns::fuzz {

// A Number there; 0 where it is cut.
template <std::unsigned_integral Number>
[[nodiscard]] std::size_t load(std::string_view file, std::size_t offset) {
  return OctetReader(file.substr(offset)).number<Number>();
}

// The file has the octets.
inline void store(std::uint32_t value, std::size_t offset, std::string& file) {
  std::string octets;
  append_number(octets, value);
  file.replace(offset, octets.size(), octets);
}

}  // namespace meshdns::fuzz
