#include "discovery/xds/local_peer.h"

#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace meshdns::discovery {
namespace {

bool is_loopback(std::string_view address) {
  const auto parsed = SocketAddress::parse(address);
  return parsed && parsed->ip.unmapped().is_loopback();
}

// Brackets are written as in a URI.
std::string decode_brackets(std::string_view text) {
  constexpr std::string_view kOpen = "%5B";
  constexpr std::string_view kClose = "%5D";
  std::string decoded(text);
  if (const auto at = decoded.find(kOpen); at != std::string::npos) {
    decoded.replace(at, kOpen.size(), "[");
  }
  if (const auto at = decoded.find(kClose); at != std::string::npos) {
    decoded.replace(at, kClose.size(), "]");
  }
  return decoded;
}

}  // namespace

bool is_local_peer(std::string_view peer) {
  constexpr std::string_view kV4 = "ipv4:";
  constexpr std::string_view kV6 = "ipv6:";
  if (peer.starts_with("unix:") || peer.starts_with("unix-abstract:")) {
    return true;
  }
  if (peer.starts_with(kV4)) {
    return is_loopback(peer.substr(kV4.size()));
  }
  return peer.starts_with(kV6) && is_loopback(decode_brackets(peer.substr(kV6.size())));
}

}  // namespace meshdns::discovery
