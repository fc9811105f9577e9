#include "resolver/server/listener.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/unique_fd.h"

namespace meshdns::dns {
namespace {

constexpr int kUdpBufferBytes = 4 << 20;
// A port that is free for UDP may be taken for TCP: tries until both get the same.
constexpr int kMaxPortTries = 32;

enum class Sharing : std::uint8_t { kAlone, kReusePort };

Error socket_error(int number, const SocketAddress& address, std::string_view proto) {
  const std::string what = fmt::format("cannot listen on {} ({})", address.to_string(), proto);
  if (number == EADDRINUSE) {
    return {ErrorCode::kAlreadyExists,
            what + ": another program listens there; stop it or choose another address"};
  }
  if (number == EACCES || number == EPERM) {
    return {ErrorCode::kPermissionDenied,
            what + ": ports below 1024 need root or CAP_NET_BIND_SERVICE; or choose a higher port"};
  }
  if (number == EADDRNOTAVAIL) {
    return {ErrorCode::kNotFound, what + ": this host does not have the address"};
  }
  if (number == EAFNOSUPPORT) {
    return {ErrorCode::kNotFound, what + ": this host has no such address family"};
  }
  return {ErrorCode::kNetwork, errno_error(number, what).message};
}

bool set(SocketLayer& sockets, int fd, int level, int name, int value) {
  return sockets.setsockopt(fd, level, name, &value, sizeof value) == 0;
}

bool set_udp_options(SocketLayer& sockets, int fd, const SocketAddress& address) {
  // The system may allow less: no failure.
  set(sockets, fd, SOL_SOCKET, SO_RCVBUF, kUdpBufferBytes);
  set(sockets, fd, SOL_SOCKET, SO_SNDBUF, kUdpBufferBytes);
  if (address.ip.is_v4()) {
    return set(sockets, fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT) &&
           (!address.ip.is_unspecified() || set(sockets, fd, IPPROTO_IP, IP_PKTINFO, 1));
  }
  return set(sockets, fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT) &&
         (!address.ip.is_unspecified() || set(sockets, fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
}

bool is_ready_to_use(int fd) {
  // NOLINTBEGIN(cppcoreguidelines-pro-type-vararg): fcntl(2) is declared so.
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
         ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
  // NOLINTEND(cppcoreguidelines-pro-type-vararg)
}

class Binder {
 public:
  Binder(SocketLayer& sockets, std::size_t workers) : sockets_(sockets), workers_(workers) {}

  Result<Listener> bind(const SocketAddress& configured) {
    const bool any_port = configured.port == 0;
    for (int attempt = 1;; ++attempt) {
      auto listener = try_bind(configured);
      const bool clash = !listener && listener.error().code == ErrorCode::kAlreadyExists;
      if (!any_port || !clash || attempt == kMaxPortTries) {
        return listener;
      }
    }
  }

 private:
  Result<Listener> try_bind(const SocketAddress& configured) {
    Listener listener{.configured = configured, .bound = configured, .sockets = {}};
    const Sharing sharing = workers_ > 1 ? Sharing::kReusePort : Sharing::kAlone;
    if (sharing == Sharing::kReusePort) {
      // SO_REUSEPORT would share the port with a stranger of the same user in silence.
      auto probe = bind_pair(listener.bound, Sharing::kAlone);
      if (!probe) {
        return tl::unexpected(probe.error());
      }
    }
    for (std::size_t worker = 0; worker < workers_; ++worker) {
      auto pair = bind_pair(listener.bound, sharing);
      if (!pair) {
        return tl::unexpected(pair.error());
      }
      listener.sockets.push_back(std::move(*pair));
    }
    for (const SocketPair& pair : listener.sockets) {
      if (sockets_.listen(pair.tcp.get(), kTcpBacklog) != 0) {
        return tl::unexpected(socket_error(errno, listener.bound, "TCP"));
      }
    }
    return listener;
  }

  // Fills in the port of `address` when it is 0.
  Result<SocketPair> bind_pair(SocketAddress& address, Sharing sharing) {
    SocketPair pair;
    pair.udp.reset(open(address, SOCK_DGRAM, sharing));
    if (!pair.udp.valid() || !bind_socket(pair.udp.get(), address)) {
      return tl::unexpected(socket_error(errno, address, "UDP"));
    }
    SocketAddress with_port = address;
    if (with_port.port == 0) {
      with_port.port = bound_port(pair.udp.get());
      if (with_port.port == 0) {
        return tl::unexpected(socket_error(errno, address, "UDP"));
      }
    }
    pair.tcp.reset(open(with_port, SOCK_STREAM, sharing));
    if (!pair.tcp.valid() || !bind_socket(pair.tcp.get(), with_port)) {
      return tl::unexpected(socket_error(errno, with_port, "TCP"));
    }
    address = with_port;
    return pair;
  }

  // -1 and errno on failure.
  int open(const SocketAddress& address, int type, Sharing sharing) {
    const int domain = address.ip.is_v4() ? AF_INET : AF_INET6;
    const int fd = sockets_.socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
      return -1;
    }
    bool ok = domain == AF_INET || set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    ok = ok && (sharing == Sharing::kAlone || set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    if (type == SOCK_STREAM) {
      ok = ok && set(fd, SOL_SOCKET, SO_REUSEADDR, 1);  // old connections may linger
    } else {
      ok = ok && set_udp_options(fd, address);
    }
    if (!ok) {
      const int error = errno;
      sockets_.close(fd);
      errno = error;
      return -1;
    }
    return fd;
  }

  bool set_udp_options(int fd, const SocketAddress& address) {
    return dns::set_udp_options(sockets_, fd, address);
  }

  bool set(int fd, int level, int name, int value) {
    return dns::set(sockets_, fd, level, name, value);
  }

  bool bind_socket(int fd, const SocketAddress& address) {
    sockaddr_storage storage{};
    const auto size = static_cast<socklen_t>(address.to_sockaddr(storage));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    return sockets_.bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0;
  }

  // 0 and errno when the system does not tell.
  std::uint16_t bound_port(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    if (sockets_.getsockname(fd, address, &size) != 0) {
      return 0;
    }
    const auto bound = SocketAddress::from_sockaddr(*address);
    return bound ? bound->port : std::uint16_t{0};
  }

  SocketLayer& sockets_;
  std::size_t workers_;
};

}  // namespace

bool overlap(const SocketAddress& one, const SocketAddress& other) {
  return one.port != 0 && one.port == other.port && one.ip.family() == other.ip.family() &&
         (one == other || one.ip.is_unspecified() || other.ip.is_unspecified());
}

Result<void> prepare_inherited(SocketLayer& sockets, const SocketAddress& bound,
                               const SocketPair& pair) {
  if (!is_ready_to_use(pair.udp.get()) || !set_udp_options(sockets, pair.udp.get(), bound)) {
    return tl::unexpected(socket_error(errno, bound, "UDP"));
  }
  if (!is_ready_to_use(pair.tcp.get())) {
    return tl::unexpected(socket_error(errno, bound, "TCP"));
  }
  return {};
}

Result<BoundListeners> bind_listeners(SocketLayer& sockets,
                                      std::span<const ListenAddress> addresses,
                                      std::size_t workers) {
  Binder binder(sockets, workers);
  BoundListeners result;
  for (const ListenAddress& wanted : addresses) {
    auto listener = binder.bind(wanted.address);
    if (listener) {
      result.listeners.push_back(std::move(*listener));
    } else if (wanted.optional && listener.error().code == ErrorCode::kNotFound) {
      result.notes.push_back(std::move(listener.error().message));
    } else {
      return tl::unexpected(std::move(listener.error()));
    }
  }
  if (result.listeners.empty()) {
    return fail(ErrorCode::kNetwork, addresses.empty()
                                         ? "no address to listen on is configured"
                                         : "this host has none of the addresses to listen on");
  }
  return result;
}

}  // namespace meshdns::dns
