#include "base/ip_address.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/result.h"

namespace meshdns {
namespace {

constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;

unsigned bits_of(const IpAddress& address) { return address.is_v4() ? kV4Bits : kV6Bits; }

// A decimal number up to `maximum`, of digits alone.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t maximum) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > maximum) {
    return std::nullopt;
  }
  return value;
}

// Whether the first `length` bits of both agree. `length` is at most 8 times the shorter size.
bool equal_bits(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, unsigned length) {
  const unsigned whole = length / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) {
    return false;
  }
  const unsigned rest = length % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

// RFC 4291 section 2.5.6: fe80::/10.
bool is_link_local(const IpAddress& address) {
  const auto octets = address.octets();
  return !address.is_v4() && octets[0] == 0xfe && (octets[1] & 0xc0U) == 0x80;
}

// The number of an interface, given by name or number; 0 when this host does not have it.
std::uint32_t scope_of(const std::string& interface) {
  const std::uint32_t named = if_nametoindex(interface.c_str());
  return named != 0 ? named : parse_number(interface, UINT32_MAX).value_or(0);
}

}  // namespace

IpAddress::IpAddress(std::span<const std::uint8_t> octets)
    : family_(octets.size() == 4 ? IpFamily::kV4 : IpFamily::kV6) {
  assert(octets.size() == 4 || octets.size() == 16);
  std::copy_n(octets.begin(), std::min<std::size_t>(octets.size(), 16), octets_.begin());
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton wants a terminated string; the longest legal text has 45 characters.
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::ranges::copy(text, buffer.begin());
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET, buffer.data(), octets.data()) == 1) {
    return IpAddress(std::span(octets).first<4>());
  }
  if (inet_pton(AF_INET6, buffer.data(), octets.data()) == 1) {
    return IpAddress(octets);
  }
  return std::nullopt;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) {
    return octets_[0] == 127;
  }
  return octets_.back() == 1 &&
         std::all_of(octets_.begin(), octets_.end() - 1, [](std::uint8_t o) { return o == 0; });
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(octets_, [](std::uint8_t o) { return o == 0; });
}

IpAddress IpAddress::unmapped() const {
  constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (is_v4() || !std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), octets_.begin())) {
    return *this;
  }
  return IpAddress(std::span(octets_).last<4>());
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, octets_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

Result<IpPrefix> IpPrefix::create(const IpAddress& base, unsigned length) {
  if (length > bits_of(base)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("prefix length {} is more than the {} bits of {}", length,
                            bits_of(base), base.to_string()));
  }
  const auto octets = base.octets();
  for (unsigned bit = length; bit < bits_of(base); ++bit) {
    if ((octets[bit / 8] >> (7 - bit % 8) & 1) != 0) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}/{} has bits set behind the prefix", base.to_string(), length));
    }
  }
  IpPrefix prefix;
  prefix.base_ = base;
  prefix.length_ = length;
  return prefix;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not an address block", text));
  }
  if (slash == std::string_view::npos) {
    return create(*base, bits_of(*base));
  }
  const auto length = parse_number(text.substr(slash + 1), kV6Bits);
  if (!length) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' has no valid prefix length", text));
  }
  return create(*base, *length);
}

bool IpPrefix::contains(const IpAddress& address) const {
  return address.family() == base_.family() &&
         equal_bits(base_.octets(), address.octets(), length_);
}

std::string IpPrefix::to_string() const { return fmt::format("{}/{}", base_.to_string(), length_); }

Result<SocketAddress> SocketAddress::parse(std::string_view text, std::uint16_t default_port) {
  const auto bad = [&](std::string_view reason) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' {}", text, reason));
  };
  std::string_view host = text;
  std::string_view port_text;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) {
      return bad("has no closing bracket");
    }
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) {
      return bad("has text after the bracket that is not a port");
    }
    port_text = rest.empty() ? rest : rest.substr(1);
    if (!rest.empty() && port_text.empty()) {
      return bad("has an empty port");
    }
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    port_text = text.substr(colon + 1);
    if (port_text.empty()) {
      return bad("has an empty port");
    }
  }
  SocketAddress result;
  const auto percent = host.find('%');
  if (percent != std::string_view::npos) {
    result.scope_id = scope_of(std::string(host.substr(percent + 1)));
    if (result.scope_id == 0) {
      return bad("names an interface that this host does not have");
    }
  }
  const auto ip = IpAddress::parse(host.substr(0, percent));
  if (!ip) {
    return bad("is not an IP address with an optional port");
  }
  result.ip = *ip;
  if (percent != std::string_view::npos && result.ip.is_v4()) {
    return bad("names an interface, which only IPv6 addresses do");
  }
  if (!is_link_local(result.ip)) {
    result.scope_id = 0;  // the kernel does not heed it either, and equal addresses compare equal
  }
  result.port = default_port;
  if (!port_text.empty()) {
    const auto port = parse_number(port_text, UINT16_MAX);
    if (!port) {
      return bad("has no valid port");
    }
    result.port = static_cast<std::uint16_t>(*port);
  } else if (default_port == 0) {
    return bad("has no port");
  }
  return result;
}

std::optional<SocketAddress> SocketAddress::from_sockaddr(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &in.sin_addr, octets.size());
    return SocketAddress{IpAddress(octets), ntohs(in.sin_port), 0};
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, &address, sizeof in6);
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &in6.sin6_addr, octets.size());
    return SocketAddress{IpAddress(octets), ntohs(in6.sin6_port), in6.sin6_scope_id};
  }
  return std::nullopt;
}

std::size_t SocketAddress::to_sockaddr(sockaddr_storage& storage) const {
  storage = {};
  if (ip.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.octets().data(), 4);
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  in6.sin6_scope_id = scope_id;
  std::memcpy(&in6.sin6_addr, ip.octets().data(), 16);
  std::memcpy(&storage, &in6, sizeof in6);
  return sizeof in6;
}

std::string SocketAddress::to_string() const {
  if (ip.is_v4()) {
    return fmt::format("{}:{}", ip.to_string(), port);
  }
  if (scope_id != 0) {
    return fmt::format("[{}%{}]:{}", ip.to_string(), scope_id, port);
  }
  return fmt::format("[{}]:{}", ip.to_string(), port);
}

}  // namespace meshdns

std::size_t std::hash<meshdns::IpAddress>::operator()(
    const meshdns::IpAddress& address) const noexcept {
  // FNV-1a: for tables of our own data, not against chosen keys.
  std::size_t value = 14695981039346656037ULL;
  for (const std::uint8_t octet : address.octets()) {
    value = (value ^ octet) * 1099511628211ULL;
  }
  return value;
}
