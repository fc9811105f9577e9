// SipHash (Aumasson and Bernstein, 2012): a keyed hash, so that whoever chooses names cannot choose
// which of them collide. Hot path.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace meshdns {

// The secret; one per process.
struct HashKey {
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  // From the kernel's random source.
  [[nodiscard]] static HashKey random();
};

// SipHash-C-D of `octets` (C compression and D final rounds).
template <int C, int D>
[[nodiscard]] inline std::uint64_t sip_hash(const HashKey& key,
                                            std::span<const std::uint8_t> octets) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t v0 = key.first ^ 0x736f6d6570736575U;
  std::uint64_t v1 = key.second ^ 0x646f72616e646f6dU;
  std::uint64_t v2 = key.first ^ 0x6c7967656e657261U;
  std::uint64_t v3 = key.second ^ 0x7465646279746573U;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](std::uint64_t word) {
    v3 ^= word;
    rounds(C);
    v0 ^= word;
  };
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= octets.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, octets.data() + at, sizeof(word));
    absorb(word);
  }
  std::uint64_t last = static_cast<std::uint64_t>(octets.size()) << 56U;
  if (const std::size_t left = octets.size() - at; left != 0 && at != 0) {
    // The last eight octets, less those that were absorbed.
    std::uint64_t word = 0;
    std::memcpy(&word, octets.data() + octets.size() - sizeof word, sizeof word);
    last |= word >> (8 * (sizeof word - left));
  } else {
    for (std::size_t i = 0; i < left; ++i) {
      last |= static_cast<std::uint64_t>(octets[i]) << (8 * i);
    }
  }
  absorb(last);
  v2 ^= 0xffU;
  rounds(D);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace meshdns
