// Bounds-checked reading of wire octets. Hot path.
//
// The first read past the end, or a name that breaks a rule, fails the reader for good: later reads
// return zero or empty, and ok() is false. So callers may read a group of fields and check once.
// Nothing here throws or allocates. Refers to octets that must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/wire/name.h"

namespace meshdns::dns {

// Why octets did not parse.
enum class WireError : std::uint8_t {
  kNone,
  kCut,         // ends inside a field
  kBadLabel,    // label type 01 or 10 (RFC 6891 section 5 retired them)
  kBadPointer,  // compression pointer not strictly backwards, one too many, or none is allowed here
  kNameTooLong,  // more than 255 octets when expanded
};

class WireReader {
 public:
  // `message` from its first octet: compression pointers count from there.
  explicit WireReader(std::span<const std::uint8_t> message, std::size_t offset = 0)
      : message_(message), offset_(offset <= message.size() ? offset : message.size()) {}

  [[nodiscard]] bool ok() const { return error_ == WireError::kNone; }
  [[nodiscard]] WireError error() const { return error_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t remaining() const { return message_.size() - offset_; }

  // Big-endian integers.
  std::uint8_t read_u8() { return static_cast<std::uint8_t>(read_integer<1>()); }
  std::uint16_t read_u16() { return static_cast<std::uint16_t>(read_integer<2>()); }
  std::uint32_t read_u32() { return read_integer<4>(); }
  std::span<const std::uint8_t> read_octets(std::size_t count) {
    if (!ok() || remaining() < count) {
      fail(WireError::kCut);
      return {};
    }
    offset_ += count;
    return {message_.data() + offset_ - count, count};
  }
  void skip(std::size_t count) { (void)read_octets(count); }

  // A name without compression, as a view into the message.
  NameView read_plain_name();
  // A name with compression pointers (RFC 1035 section 4.1.4), each behind the header and strictly
  // before the place where the part that ends in it began; no more of them than a name can have
  // labels, so that the time is bounded whatever they lead to. Case is kept.
  void read_name(Name& name);
  // Past a name: checks its labels and of a pointer where it leads; does not follow it.
  void skip_name();

 private:
  template <std::size_t Octets>
  std::uint32_t read_integer() {
    if (!ok() || remaining() < Octets) {
      fail(WireError::kCut);
      return 0;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < Octets; ++i) {
      value = value << 8U | message_[offset_ + i];
    }
    offset_ += Octets;
    return value;
  }
  void fail(WireError error) {
    if (ok()) {
      error_ = error;
    }
  }

  std::span<const std::uint8_t> message_;
  std::size_t offset_;
  WireError error_ = WireError::kNone;
};

}  // namespace meshdns::dns
