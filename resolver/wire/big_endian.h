// Integers in network order in the midst of octets (RFC 1035 section 2.3.2). Hot path: who calls
// has checked that they are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace meshdns::dns {

[[nodiscard]] inline std::uint16_t load_u16(std::span<const std::uint8_t> octets, std::size_t at) {
  return static_cast<std::uint16_t>(octets[at] << 8U | octets[at + 1]);
}

[[nodiscard]] inline std::uint32_t load_u32(std::span<const std::uint8_t> octets, std::size_t at) {
  return std::uint32_t{load_u16(octets, at)} << 16U | load_u16(octets, at + 2);
}

inline void store_u16(std::span<std::uint8_t> octets, std::size_t at, std::uint16_t value) {
  octets[at] = static_cast<std::uint8_t>(value >> 8U);
  octets[at + 1] = static_cast<std::uint8_t>(value);
}

inline void store_u32(std::span<std::uint8_t> octets, std::size_t at, std::uint32_t value) {
  store_u16(octets, at, static_cast<std::uint16_t>(value >> 16U));
  store_u16(octets, at + 2, static_cast<std::uint16_t>(value));
}

}  // namespace meshdns::dns
