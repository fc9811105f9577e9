#include "discovery/xds/local_peer.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kV4 = "ipv4:";
constexpr std::string_view kV6 = "ipv6:";
// Brackets, and what comes before a scope, are written as in a URI.
constexpr std::string_view kOpen = "%5B";
constexpr std::string_view kClose = "%5D";
constexpr std::string_view kScope = "%25";

// What is left is as SocketAddress::parse() takes it.
std::string decode_v6(std::string_view text) {
  const std::size_t close = text.find(kClose);
  if (!text.starts_with(kOpen) || close == std::string_view::npos) {
    return std::string(text);
  }
  const std::string_view inside = text.substr(kOpen.size(), close - kOpen.size());
  std::string decoded = "[";
  decoded += inside.substr(0, inside.find(kScope));
  decoded += "]";
  decoded += text.substr(close + kClose.size());
  return decoded;
}

}  // namespace

std::optional<SocketAddress> address_of_peer(std::string_view peer) {
  if (!peer.starts_with(kV4) && !peer.starts_with(kV6)) {
    return std::nullopt;
  }
  const auto parsed =
      SocketAddress::parse(peer.starts_with(kV4) ? std::string(peer.substr(kV4.size()))
                                                 : decode_v6(peer.substr(kV6.size())));
  return parsed ? std::optional(*parsed) : std::nullopt;
}

bool is_local_peer(std::string_view peer) {
  if (peer.starts_with("unix:") || peer.starts_with("unix-abstract:")) {
    return true;
  }
  const auto address = address_of_peer(peer);
  return address && address->ip.unmapped().is_loopback();
}

}  // namespace meshdns::discovery
