#include "resolver/snapshot/reverse_name.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

constexpr std::array<std::uint8_t, 14> kInAddrArpa{7,   'i', 'n', '-', 'a', 'd', 'd',
                                                   'r', 4,   'a', 'r', 'p', 'a', 0};
constexpr std::array<std::uint8_t, 10> kIp6Arpa{3, 'i', 'p', '6', 4, 'a', 'r', 'p', 'a', 0};
constexpr std::size_t kV4Labels = 4;
constexpr std::size_t kV6Labels = 32;
constexpr std::string_view kHexDigits = "0123456789abcdef";

std::optional<unsigned> parse_octet(std::span<const std::uint8_t> label) {
  unsigned value = 0;
  for (const std::uint8_t digit : label) {
    if (digit < '0' || digit > '9') {
      return std::nullopt;
    }
    value = value * 10 + (digit - '0');
  }
  const bool padded = label.size() > 1 && label[0] == '0';
  if (label.size() > 3 || padded || value > 255) {
    return std::nullopt;
  }
  return value;
}

std::optional<unsigned> parse_nibble(std::span<const std::uint8_t> label) {
  const std::size_t digit =
      label.size() == 1 ? kHexDigits.find(static_cast<char>(label[0])) : std::string_view::npos;
  return digit == std::string_view::npos ? std::nullopt
                                         : std::optional(static_cast<unsigned>(digit));
}

// The labels in front of the last `apex_size` octets, nearest to the apex first, as the parts of an
// address.
template <std::size_t MaxLabels, typename ParseLabel>
ReverseName parse_labels(NameView name, std::size_t apex_size, const ParseLabel& parse_label,
                         std::array<std::uint8_t, MaxLabels>& parts) {
  std::size_t count = 0;
  for (NameView rest = name; rest.size() > apex_size; rest = rest.parent()) {
    const auto value = count < MaxLabels ? parse_label(rest.first_label()) : std::nullopt;
    if (!value) {
      return {};
    }
    parts.at(count++) = static_cast<std::uint8_t>(*value);
  }
  std::reverse(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(count));
  return {.kind = count == MaxLabels ? ReverseName::Kind::kAddress : ReverseName::Kind::kPartial,
          .address = {}};
}

// `parts` of an address, from its front, in front of the tree's apex.
Name reverse_zone(std::span<const std::uint8_t> parts, bool v4) {
  Name name;
  const auto append = [&name](std::string_view label) {
    const std::vector<std::uint8_t> octets(label.begin(), label.end());
    [[maybe_unused]] const bool fits = name.append_label(octets);
    assert(fits);
  };
  for (std::size_t i = parts.size(); i-- > 0;) {
    append(v4 ? std::to_string(parts[i]) : std::string(1, kHexDigits[parts[i]]));
  }
  append(v4 ? "in-addr" : "ip6");
  append("arpa");
  return name;
}

}  // namespace

std::vector<Name> reverse_zones(const IpPrefix& pool) {
  const bool v4 = pool.base().is_v4();
  const unsigned bits_per_label = v4 ? 8 : 4;
  std::vector<std::uint8_t> parts;
  for (const std::uint8_t octet : pool.base().octets()) {
    if (v4) {
      parts.push_back(octet);
    } else {
      parts.push_back(octet >> 4U);
      parts.push_back(octet & 0x0fU);
    }
  }
  const unsigned labels = (pool.length() + bits_per_label - 1) / bits_per_label;
  const unsigned free_bits = labels * bits_per_label - pool.length();
  parts.resize(labels);
  std::vector<Name> zones;
  for (unsigned i = 0; i < 1U << free_bits; ++i) {
    std::vector<std::uint8_t> own = parts;
    if (!own.empty()) {
      own.back() = static_cast<std::uint8_t>(own.back() + i);
    }
    zones.push_back(reverse_zone(own, v4));
  }
  return zones;
}

ReverseName parse_reverse_name(NameView folded) {
  if (folded.is_within(NameView(kInAddrArpa))) {
    std::array<std::uint8_t, kV4Labels> octets{};
    ReverseName result = parse_labels(folded, kInAddrArpa.size(), parse_octet, octets);
    result.address = IpAddress(octets);
    return result;
  }
  if (folded.is_within(NameView(kIp6Arpa))) {
    std::array<std::uint8_t, kV6Labels> nibbles{};
    ReverseName result = parse_labels(folded, kIp6Arpa.size(), parse_nibble, nibbles);
    std::array<std::uint8_t, 16> octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
      octets.at(i) = static_cast<std::uint8_t>(nibbles.at(2 * i) << 4U | nibbles.at(2 * i + 1));
    }
    result.address = IpAddress(octets);
    return result;
  }
  return {};
}

}  // namespace meshdns::dns
