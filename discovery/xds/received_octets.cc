#include "discovery/xds/received_octets.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include <linux/tcp.h>  // glibc's tcp_info ends before what is needed here
#include <netinet/in.h>
#include <sys/socket.h>

namespace meshdns::discovery {
namespace {

std::optional<std::uint64_t> cookie_of(int socket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (::getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) {
    return std::nullopt;
  }
  return cookie;
}

std::optional<std::uint64_t> octets_on(int socket) {
  constexpr std::size_t kNeeded =
      offsetof(tcp_info, tcpi_bytes_received) + sizeof(tcp_info::tcpi_bytes_received);
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < kNeeded) {
    return std::nullopt;
  }
  return info.tcpi_bytes_received;
}

}  // namespace

std::optional<ReceivedOctets> ReceivedOctets::of(int socket) {
  const auto cookie = cookie_of(socket);
  if (!cookie || !octets_on(socket)) {
    return std::nullopt;
  }
  return ReceivedOctets(socket, *cookie);
}

std::optional<std::uint64_t> ReceivedOctets::read() const {
  const auto octets = octets_on(socket_);
  // Whose number is its own now had it before, too.
  return cookie_of(socket_) == cookie_ ? octets : std::nullopt;
}

}  // namespace meshdns::discovery
