// Cuts a TCP stream into DNS messages: each comes after its length in two octets, big-endian (RFC
// 1035 section 4.2.2).
//
//     length(2) message(length) length(2) message(length) ...
//
// Memory follows the octets that have arrived, never the lengths they claim, and an empty reader
// holds next to none. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace meshdns::dns {

class FrameReader {
 public:
  // Octets of the stream, in any pieces.
  void append(std::span<const std::uint8_t> octets);

  // The next whole message, maybe of no octets; nothing while it is not there. Valid until the next
  // call of this reader.
  [[nodiscard]] std::optional<std::span<const std::uint8_t>> next();

  // Gives memory back if nothing is buffered; ends what next() returned.
  void release();

  // Octets not given out yet.
  [[nodiscard]] std::size_t buffered() const { return buffer_.size() - offset_; }

 private:
  std::vector<std::uint8_t> buffer_;
  std::size_t offset_ = 0;  // of the first octet not given out
};

}  // namespace meshdns::dns
