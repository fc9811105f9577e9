#include "vip/pool.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::vip {
namespace {

// SHA-256 of OpenSSL with everything that can be kept between calls kept: one per thread.
class Sha256 {
 public:
  static constexpr std::size_t kOctets = 32;

  Sha256()
      : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free),
        context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    require(algorithm_ && context_);
  }

  [[nodiscard]] std::array<std::uint8_t, kOctets> hash(std::string_view text,
                                                       std::span<const std::uint8_t> suffix) {
    std::array<std::uint8_t, kOctets> digest{};
    require(EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1 &&
            EVP_DigestUpdate(context_.get(), text.data(), text.size()) == 1 &&
            EVP_DigestUpdate(context_.get(), suffix.data(), suffix.size()) == 1 &&
            EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
    return digest;
  }

 private:
  // An OpenSSL without SHA-256 or memory leaves nothing to go on with.
  static void require(bool success) {
    if (!success) {
      std::abort();
    }
  }

  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm_;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// The low 64 bits of an address as a number; IPv4 has 32 of them.
std::uint64_t low_bits(const IpAddress& address) {
  const auto octets = address.octets();
  std::uint64_t value = 0;
  for (const std::uint8_t octet : octets.last(std::min<std::size_t>(octets.size(), 8))) {
    value = (value << 8U) | octet;
  }
  return value;
}

unsigned host_bits(const IpPrefix& prefix) {
  return (prefix.base().is_v4() ? 32U : 128U) - prefix.length();
}

}  // namespace

Result<AddressPool> AddressPool::create(const IpPrefix& prefix) {
  const unsigned bits = host_bits(prefix);
  if (bits < 2) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the pool {} has no usable address: its first and last are never used",
                            prefix.to_string()));
  }
  const std::uint64_t last = bits >= 64 ? UINT64_MAX : (std::uint64_t{1} << bits) - 1;
  return AddressPool(prefix, last - 1);
}

bool AddressPool::contains(const IpAddress& address) const {
  if (!prefix_.contains(address)) {
    return false;
  }
  // Beyond 64 host bits only the first 2^64 addresses count: the octets above are the base's.
  const auto octets = address.octets();
  const auto base = prefix_.base().octets();
  if (octets.size() > 8 && !std::ranges::equal(octets.first(8), base.first(8))) {
    return false;
  }
  const std::uint64_t offset = low_bits(address) - low_bits(prefix_.base());
  return offset >= 1 && offset <= usable_size_;
}

IpAddress AddressPool::at(std::uint64_t index) const {
  std::array<std::uint8_t, 16> octets{};
  const auto base = prefix_.base().octets();
  std::ranges::copy(base, octets.begin());
  std::uint64_t value = low_bits(prefix_.base()) + 1 + index;
  for (std::size_t i = 0; i < std::min<std::size_t>(base.size(), 8); ++i) {
    octets[base.size() - 1 - i] = static_cast<std::uint8_t>(value);
    value >>= 8U;
  }
  return IpAddress(std::span(octets).first(base.size()));
}

std::uint64_t AddressPool::candidate_index(std::string_view key, std::uint32_t attempt) const {
  static thread_local Sha256 sha256;
  const std::array suffix = {
      static_cast<std::uint8_t>(attempt >> 24U), static_cast<std::uint8_t>(attempt >> 16U),
      static_cast<std::uint8_t>(attempt >> 8U), static_cast<std::uint8_t>(attempt)};
  const auto digest = sha256.hash(key, suffix);
  std::uint64_t value = 0;
  for (const std::uint8_t octet : std::span(digest).first(8)) {
    value = (value << 8U) | octet;
  }
  return value % usable_size_;
}

}  // namespace meshdns::vip
