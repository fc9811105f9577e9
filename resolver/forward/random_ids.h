// Message ids that cannot be guessed: from the kernel's generator, in small batches (RFC 5452
// section 9.2). One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace meshdns::dns {

class RandomIds {
 public:
  [[nodiscard]] std::uint16_t next();

 private:
  static constexpr std::size_t kBatch = 64;
  std::array<std::uint16_t, kBatch> batch_{};
  std::size_t used_ = kBatch;
};

}  // namespace meshdns::dns
