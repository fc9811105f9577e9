// PackedText: a text that never changes, in one pointer: its size stands before its octets, in one
// block. For tables of many keys; a std::string takes 32 octets besides its block.
//
// A plain value of one thread that moves and is not copied.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace meshdns {

class PackedText {
 public:
  static constexpr std::size_t kMaxOctets = UINT16_MAX;

  PackedText() = default;  // empty
  // At most kMaxOctets.
  explicit PackedText(std::string_view text) {
    assert(text.size() <= kMaxOctets);
    if (!text.empty()) {
      const auto size = static_cast<std::uint16_t>(text.size());
      block_ = std::make_unique_for_overwrite<char[]>(sizeof(size) + size);  // NOLINT: as below
      std::memcpy(block_.get(), &size, sizeof(size));
      std::memcpy(block_.get() + sizeof(size), text.data(), size);
    }
  }

  // As long as the text, moved or not.
  [[nodiscard]] std::string_view view() const {
    if (!block_) {
      return {};
    }
    std::uint16_t size = 0;
    std::memcpy(&size, block_.get(), sizeof(size));
    return {block_.get() + sizeof(size), size};
  }
  [[nodiscard]] bool empty() const { return block_ == nullptr; }

 private:
  std::unique_ptr<char[]> block_;  // NOLINT(modernize-avoid-c-arrays): of any size
};

}  // namespace meshdns
