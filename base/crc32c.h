// CRC-32C (Castagnoli), the checksum of files on disk: finds every single flipped bit and every
// burst of up to 32 bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace meshdns {

namespace crc32c_detail {

// Reflected polynomial 0x82F63B78, RFC 3720 appendix B.4. Row n advances an octet over n more
// zeros, so that eight octets are taken at a time.
consteval std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t octet = 0; octet < 256; ++octet) {
    std::uint32_t remainder = octet;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1U) ^ ((remainder & 1U) != 0 ? 0x82F63B78U : 0U);
    }
    tables[0][octet] = remainder;
  }
  for (std::size_t row = 1; row < tables.size(); ++row) {
    for (std::size_t octet = 0; octet < 256; ++octet) {
      const std::uint32_t before = tables[row - 1][octet];
      tables[row][octet] = (before >> 8U) ^ tables[0][before & 0xffU];
    }
  }
  return tables;
}

inline constexpr auto kTables = make_tables();

constexpr std::uint8_t octet_at(std::string_view data, std::size_t index) {
  return static_cast<std::uint8_t>(data[index]);
}

}  // namespace crc32c_detail

// `before` is the checksum of what stands before `data`.
[[nodiscard]] constexpr std::uint32_t crc32c(std::string_view data, std::uint32_t before = 0) {
  using crc32c_detail::kTables;
  using crc32c_detail::octet_at;
  std::uint32_t crc = ~before;
  while (data.size() >= 8) {
    crc = kTables[7][(crc ^ octet_at(data, 0)) & 0xffU] ^
          kTables[6][((crc >> 8U) ^ octet_at(data, 1)) & 0xffU] ^
          kTables[5][((crc >> 16U) ^ octet_at(data, 2)) & 0xffU] ^
          kTables[4][((crc >> 24U) ^ octet_at(data, 3)) & 0xffU] ^ kTables[3][octet_at(data, 4)] ^
          kTables[2][octet_at(data, 5)] ^ kTables[1][octet_at(data, 6)] ^
          kTables[0][octet_at(data, 7)];
    data.remove_prefix(8);
  }
  for (const char c : data) {
    crc = (crc >> 8U) ^ kTables[0][(crc ^ static_cast<std::uint8_t>(c)) & 0xffU];
  }
  return ~crc;
}

}  // namespace meshdns
