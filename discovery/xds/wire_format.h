// Writing protobuf's wire format by hand, for the messages whose bytes are shared between
// responses and so cannot go through the generated classes.
//
// A length-delimited field is its tag, a varint length and the bytes; every field written here is
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace meshdns::discovery {

// The tag of a length-delimited field with a number below 16.
[[nodiscard]] constexpr char bytes_tag(unsigned field_number) {
  return static_cast<char>((field_number << 3U) | 2U);
}

[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  while (value >= 0x80) {
    value >>= 7U;
    ++size;
  }
  return size;
}

// Of a field with tag, length and `size` bytes.
[[nodiscard]] constexpr std::size_t field_size(std::size_t size) {
  return 1 + varint_size(size) + size;
}

inline void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>((value & 0x7FU) | 0x80U));
    value >>= 7U;
  }
  out.push_back(static_cast<char>(value));
}

// Tag and length only: `size` bytes must follow.
inline void append_field_header(std::string& out, unsigned field_number, std::size_t size) {
  out.push_back(bytes_tag(field_number));
  append_varint(out, size);
}

inline void append_field(std::string& out, unsigned field_number, std::string_view bytes) {
  append_field_header(out, field_number, bytes.size());
  out.append(bytes);
}

}  // namespace meshdns::discovery
