#include "resolver/app/setting_values.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <sys/un.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "resolver/app/setting_text.h"

namespace meshdns::dns {
namespace {

constexpr unsigned kMinIpv4PoolLength = 4;
constexpr unsigned kMaxIpv4PoolLength = 29;
constexpr unsigned kMinIpv6PoolLength = 32;
constexpr unsigned kMaxIpv6PoolLength = 120;
constexpr std::size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::uint16_t kExamplePort = 15053;

// A name whose last label is a number is a mistyped IPv4 address (RFC 3696 section 2).
bool is_host_name(const std::string& text) {
  const auto name = parse_zone(text);
  return name && !parse_number(name->substr(name->rfind('.') + 1), 0, UINT64_MAX);
}

Result<std::string> parse_unix_target(const std::string& text, std::size_t scheme_octets) {
  const auto path = parse_path(text.substr(scheme_octets));
  if (!path) {
    return tl::unexpected(path.error());
  }
  if (path->size() > kMaxUnixPath) {
    return refuse(
        fmt::format("the path is too long for a socket (write at most {} octets)", kMaxUnixPath));
  }
  return text;
}

}  // namespace

Result<SocketAddress> parse_socket_address(const std::string& text, std::uint16_t default_port) {
  auto address = SocketAddress::parse(text, default_port);
  if (!address) {
    const std::uint16_t port = default_port == 0 ? kExamplePort : default_port;
    return refuse(fmt::format("{} (write ADDRESS:PORT, such as 127.0.0.1:{} or [::1]:{})",
                              address.error().message, port, port));
  }
  return address;
}

Result<IpPrefix> parse_prefix(const std::string& text) {
  auto prefix = IpPrefix::parse(text);
  if (!prefix) {
    return refuse(prefix.error().message + " (write ADDRESS/LENGTH, such as 192.0.2.0/24)");
  }
  return prefix;
}

Result<IpPrefix> parse_pool(const std::string& text, IpFamily family) {
  const bool v4 = family == IpFamily::kV4;
  const unsigned shortest = v4 ? kMinIpv4PoolLength : kMinIpv6PoolLength;
  const unsigned longest = v4 ? kMaxIpv4PoolLength : kMaxIpv6PoolLength;
  auto pool = IpPrefix::parse(text);
  const bool good = pool && pool->base().family() == family && pool->length() >= shortest &&
                    pool->length() <= longest;
  if (!good) {
    return refuse(fmt::format(
        "{} (write an {} block of /{} to /{})",
        pool ? fmt::format("'{}' does not fit", escape_name(text)) : pool.error().message,
        v4 ? "IPv4" : "IPv6", shortest, longest));
  }
  return pool;
}

Result<std::string> parse_path(const std::string& text) {
  const bool is_plain = std::ranges::none_of(text, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
  if (!text.starts_with('/') || !is_plain) {
    return refuse(fmt::format(
        "'{}' is no absolute path (write one that starts with /, without control characters)",
        escape_name(text)));
  }
  return text;
}

Result<std::string> parse_control_plane(const std::string& text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    return parse_unix_target(text, kUnix.size());
  }
  if (SocketAddress::parse(text)) {
    return text;
  }
  const std::size_t colon = text.rfind(':');
  const bool named = colon != std::string::npos && is_host_name(text.substr(0, colon)) &&
                     parse_number(text.substr(colon + 1), 1, UINT16_MAX);
  if (!named) {
    return refuse(
        fmt::format("'{}' is no control plane (write HOST:PORT or unix:/PATH)", escape_name(text)));
  }
  return text;
}

}  // namespace meshdns::dns
