// PackedText: a text that never changes, in one pointer. Its size stands before its octets, in one
// octet where that does. For tables of many keys; a std::string takes 32 octets besides its block.
//
// A plain value of one thread that moves and is not copied.
#pragma once

#include <climits>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace meshdns {

class PackedText {
 public:
  PackedText() = default;  // empty
  explicit PackedText(std::string_view text) {
    if (text.empty()) {
      return;
    }
    const std::size_t size = text.size();
    const bool is_long = size >= kLong;
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): as below.
    block_ = std::make_unique_for_overwrite<char[]>((is_long ? kLongHeader : 1) + size);
    block_[0] = static_cast<char>(is_long ? kLong : size);
    if (is_long) {
      std::memcpy(block_.get() + 1, &size, sizeof(size));
    }
    std::memcpy(block_.get() + (is_long ? kLongHeader : 1), text.data(), size);
  }

  // As long as the text, moved or not.
  [[nodiscard]] std::string_view view() const {
    if (!block_) {
      return {};
    }
    std::size_t size = static_cast<unsigned char>(block_[0]);
    if (size < kLong) {
      return {block_.get() + 1, size};
    }
    std::memcpy(&size, block_.get() + 1, sizeof(size));
    return {block_.get() + kLongHeader, size};
  }
  [[nodiscard]] bool empty() const { return block_ == nullptr; }

 private:
  static constexpr std::size_t kLong = UCHAR_MAX;  // in place of a size: it stands behind
  static constexpr std::size_t kLongHeader = 1 + sizeof(std::size_t);

  std::unique_ptr<char[]> block_;  // NOLINT(modernize-avoid-c-arrays): of any size
};

}  // namespace meshdns
