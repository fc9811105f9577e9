#include "base/sip_hash.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

TEST(SipHash, GivesThePublishedVectors) {
  // SipHash-2-4 of 00 01 02 ... under the key 00 01 ... 0f, from the reference implementation's
  // list.
  const HashKey key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
  std::array<std::uint8_t, 15> octets{};
  std::iota(octets.begin(), octets.end(), std::uint8_t{0});
  const std::vector<std::pair<std::size_t, std::uint64_t>> vectors{
      {0, 0x726fdb47dd0e0e31U},
      {1, 0x74f839c593dc67fdU},
      {8, 0x93f5f5799a932462U},
      {15, 0xa129ca6149be45e5U},
  };
  for (const auto& [size, hash] : vectors) {
    EXPECT_EQ((sip_hash<2, 4>(key, std::span(octets).first(size))), hash) << size;
  }
}

TEST(SipHash, DependsOnTheKey) {
  const std::array<std::uint8_t, 3> octets{1, 2, 3};
  EXPECT_NE((sip_hash<1, 3>({1, 2}, octets)), (sip_hash<1, 3>({1, 3}, octets)));
  EXPECT_NE((sip_hash<1, 3>({1, 2}, octets)), (sip_hash<1, 3>({2, 2}, octets)));
}

TEST(HashKey, IsAnotherEachTime) {
  const HashKey a = HashKey::random();
  const HashKey b = HashKey::random();
  EXPECT_NE(a.first, b.first);
  EXPECT_NE(a.second, b.second);
}

}  // namespace
}  // namespace meshdns
