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
// A name of the most labels, each in a place of its own, takes one less. Pointers that lead to
// nothing but pointers could be followed by the thousand for each name of a message.
constexpr unsigned kMaxPointers = 128;

// A name stands behind the header and before the part that ends in a pointer to it.
bool is_prior_name(std::size_t target, std::size_t part_start) {
  return target >= kHeaderOctets && target < part_start;
}

}  // namespace

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
  name.clear();
  std::size_t part_start = offset_;  // pointers from this part must go before it
  unsigned pointers = 0;
  while (ok()) {
    // All labels up to the root's or a pointer.
    std::size_t at = part_start;
    while (at < message_.size() && at - part_start < kMaxNameOctets && message_[at] != 0 &&
           message_[at] <= kMaxLabelOctets) {
      at += message_[at] + 1U;
    }
    if (at - part_start >= kMaxNameOctets) {
      return fail(WireError::kNameTooLong);
    }
    if (at >= message_.size()) {
      return fail(WireError::kCut);
    }
    if (!name.append_labels(message_.subspan(part_start, at - part_start))) {
      return fail(WireError::kNameTooLong);
    }
    const std::uint8_t length = message_[at];
    if (length != 0 && (length & kLabelTypeMask) != kPointerType) {
      return fail(WireError::kBadLabel);
    }
    if (length == 0) {
      if (pointers == 0) {
        offset_ = at + 1;
      }
      return;
    }
    if (at + 1 >= message_.size()) {
      return fail(WireError::kCut);
    }
    const std::size_t target =
        static_cast<std::size_t>(length & kPointerHighBits) << 8U | message_[at + 1];
    if (!is_prior_name(target, part_start) || pointers == kMaxPointers) {
      return fail(WireError::kBadPointer);
    }
    if (pointers == 0) {
      offset_ = at + 2;
    }
    ++pointers;
    part_start = target;
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
