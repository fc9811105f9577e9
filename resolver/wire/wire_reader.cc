#include "resolver/wire/wire_reader.h"

#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

constexpr std::uint8_t kLabelTypeMask = 0xc0;
constexpr std::uint8_t kPointerType = 0xc0;
constexpr std::uint8_t kPointerHighBits = 0x3f;

// A name stands behind the header and before the part that ends in a pointer to it.
bool is_prior_name(std::size_t target, std::size_t part_start) {
  return target >= kHeaderOctets && target < part_start;
}

}  // namespace

void WireReader::fail(WireError error) {
  if (error_ == WireError::kNone) {
    error_ = error;
  }
}

std::span<const std::uint8_t> WireReader::read_octets(std::size_t count) {
  if (!ok() || count > remaining()) {
    fail(WireError::kCut);
    return {};
  }
  const auto octets = message_.subspan(offset_, count);
  offset_ += count;
  return octets;
}

std::uint8_t WireReader::read_u8() {
  const auto octets = read_octets(1);
  return octets.empty() ? std::uint8_t{0} : octets[0];
}

std::uint16_t WireReader::read_u16() {
  const auto octets = read_octets(2);
  return octets.empty() ? std::uint16_t{0}
                        : static_cast<std::uint16_t>(octets[0] << 8U | octets[1]);
}

std::uint32_t WireReader::read_u32() {
  if (remaining() < 4) {
    fail(WireError::kCut);
  }
  const std::uint32_t high = read_u16();
  return high << 16U | read_u16();
}

NameView WireReader::read_plain_name() {
  const std::size_t start = offset_;
  std::size_t at = offset_;
  while (ok()) {
    if (at >= message_.size()) {
      fail(WireError::kCut);
      break;
    }
    const std::uint8_t length = message_[at];
    if (length > kMaxLabelOctets) {
      fail((length & kLabelTypeMask) == kPointerType ? WireError::kBadPointer
                                                     : WireError::kBadLabel);
      break;
    }
    at += length + 1U;
    if (at - start > kMaxNameOctets) {
      fail(WireError::kNameTooLong);
      break;
    }
    if (length == 0) {
      offset_ = at;
      return NameView(message_.subspan(start, at - start));
    }
  }
  return {};
}

void WireReader::read_name(Name& name) {
  name = Name();
  std::size_t part_start = offset_;  // pointers from this part must go before it
  std::size_t at = offset_;
  bool jumped = false;
  while (ok()) {
    if (at >= message_.size()) {
      return fail(WireError::kCut);
    }
    const std::uint8_t length = message_[at];
    if (length == 0) {
      if (!jumped) {
        offset_ = at + 1;
      }
      return;
    }
    if ((length & kLabelTypeMask) == kPointerType) {
      if (at + 1 >= message_.size()) {
        return fail(WireError::kCut);
      }
      const std::size_t target =
          static_cast<std::size_t>(length & kPointerHighBits) << 8U | message_[at + 1];
      if (!is_prior_name(target, part_start)) {
        return fail(WireError::kBadPointer);
      }
      if (!jumped) {
        offset_ = at + 2;
      }
      jumped = true;
      part_start = at = target;
      continue;
    }
    if (length > kMaxLabelOctets) {
      return fail(WireError::kBadLabel);
    }
    if (message_.size() - at - 1 < length) {
      return fail(WireError::kCut);
    }
    if (!name.append_label(message_.subspan(at + 1, length))) {
      return fail(WireError::kNameTooLong);
    }
    at += length + 1U;
  }
}

void WireReader::skip_name() {
  const std::size_t start = offset_;
  while (ok()) {
    const std::uint8_t length = read_u8();
    if ((length & kLabelTypeMask) == kPointerType) {
      const std::size_t target =
          static_cast<std::size_t>(length & kPointerHighBits) << 8U | read_u8();
      if (!is_prior_name(target, start)) {
        fail(WireError::kBadPointer);
      }
      return;
    }
    if (length > kMaxLabelOctets) {
      return fail(WireError::kBadLabel);
    }
    skip(length);
    if (offset_ - start > kMaxNameOctets) {
      return fail(WireError::kNameTooLong);
    }
    if (length == 0) {
      return;
    }
  }
}

}  // namespace meshdns::dns
