#include "resolver/wire/frame_reader.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace meshdns::dns {
namespace {

constexpr std::size_t kLengthOctets = 2;
// What an idle connection may go on holding.
constexpr std::size_t kKeptOctets = 2048;

}  // namespace

void FrameReader::append(std::span<const std::uint8_t> octets) {
  if (offset_ != 0) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(offset_));
    offset_ = 0;
  }
  buffer_.insert(buffer_.end(), octets.begin(), octets.end());
}

void FrameReader::release() {
  if (buffered() == 0) {
    buffer_.clear();
    offset_ = 0;
    if (buffer_.capacity() > kKeptOctets) {
      buffer_.shrink_to_fit();
    }
  }
}

std::optional<std::span<const std::uint8_t>> FrameReader::next() {
  const auto rest = std::span(buffer_).subspan(offset_);
  if (rest.size() < kLengthOctets) {
    return std::nullopt;
  }
  const std::size_t length = static_cast<std::size_t>(rest[0]) << 8U | rest[1];
  if (rest.size() - kLengthOctets < length) {
    return std::nullopt;
  }
  offset_ += kLengthOctets + length;
  return rest.subspan(kLengthOctets, length);
}

}  // namespace meshdns::dns
