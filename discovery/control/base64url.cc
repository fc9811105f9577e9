#include "discovery/control/base64url.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshdns::discovery {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr unsigned kDigitBits = 6;
constexpr unsigned kOctetBits = 8;

}  // namespace

std::string encode_base64url(std::string_view octets) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char octet : octets) {
    bits = (bits << kOctetBits) | static_cast<unsigned char>(octet);
    held += kOctetBits;
    while (held >= kDigitBits) {
      held -= kDigitBits;
      text += kDigits[(bits >> held) & 63U];
    }
  }
  if (held > 0) {
    text += kDigits[(bits << (kDigitBits - held)) & 63U];
  }
  return text;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  std::string octets;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << kDigitBits) | static_cast<std::uint32_t>(digit);
    held += kDigitBits;
    if (held >= kOctetBits) {
      held -= kOctetBits;
      octets += static_cast<char>((bits >> held) & 255U);
    }
  }
  const std::uint32_t left_over = bits & ((1U << held) - 1U);
  if (held >= kDigitBits || left_over != 0) {
    return std::nullopt;
  }
  return octets;
}

}  // namespace meshdns::discovery
