#include "base/address_hash.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "base/ip_address.h"

namespace meshdns {
namespace {

// A prime number of places, as the standard library's tables have.
constexpr std::size_t kPlaces = 1109;

IpAddress neighbour(std::uint32_t number) {
  std::array<std::uint8_t, 16> octets{0x20, 0x01, 0x0d, 0xb8};
  for (std::size_t i = 0; i < sizeof number; ++i) {
    octets.at(12 + i) = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return IpAddress(octets);
}

TEST(AddressHash, SpreadsAddressesThatWereChosenToCollide) {
  const AddressHash hash;
  std::set<std::size_t> places;
  int chosen = 0;
  for (std::uint32_t number = 0; chosen < 100; ++number) {
    const IpAddress address = neighbour(number);
    if (std::hash<IpAddress>{}(address) % kPlaces == 0) {
      places.insert(hash(address) % kPlaces);
      ++chosen;
    }
  }
  EXPECT_GT(places.size(), 50U);
}

TEST(AddressHash, HasAKeyOfItsOwnInEachTable) {
  const AddressHash first;
  const AddressHash second;
  EXPECT_EQ(first(neighbour(1)), AddressHash(first)(neighbour(1)));
  EXPECT_NE(first(neighbour(1)), second(neighbour(1)));
}

}  // namespace
}  // namespace meshdns
