// AddressPool: the addresses of one block that may be leased, and the order in which a key tries
// them.
//
// A plain value. The first and the last address of the block are never used. A block of more than
// 2^64 addresses offers its first 2^64, so the usable size is min(2^h, 2^64) - 2 for h host bits,
// and always fits 64 bits.
//
// Candidate i of a key is usable address number
//     first 8 octets (big-endian) of SHA-256(key || i as 4 octets big-endian)  modulo  usable size
// counted from 0 at the block's second address. Resolvers that never met agree by it: frozen by
// test vectors.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::vip {

class AddressPool {
 public:
  // Fails when the block holds no usable address: less than two host bits.
  [[nodiscard]] static Result<AddressPool> create(const IpPrefix& prefix);

  [[nodiscard]] const IpPrefix& prefix() const { return prefix_; }
  [[nodiscard]] IpFamily family() const { return prefix_.base().family(); }
  [[nodiscard]] std::uint64_t usable_size() const { return usable_size_; }
  // Whether `address` is a usable one of this pool.
  [[nodiscard]] bool contains(const IpAddress& address) const;

  // Usable address number `index` < usable_size().
  [[nodiscard]] IpAddress at(std::uint64_t index) const;
  // The number of candidate `attempt` of `key`.
  [[nodiscard]] std::uint64_t candidate_index(std::string_view key, std::uint32_t attempt) const;
  [[nodiscard]] IpAddress candidate(std::string_view key, std::uint32_t attempt) const {
    return at(candidate_index(key, attempt));
  }

 private:
  AddressPool(const IpPrefix& prefix, std::uint64_t usable_size)
      : prefix_(prefix), usable_size_(usable_size) {}

  IpPrefix prefix_;
  std::uint64_t usable_size_;
};

}  // namespace meshdns::vip
