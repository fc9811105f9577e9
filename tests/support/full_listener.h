// A TCP address that never takes a connection: its queue is full, so the kernel drops every SYN, as
// a firewall does. 127.0.0.1 alone.
#pragma once

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <system_error>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"

namespace meshdns::support {

class FullListener {
 public:
  FullListener() : listener_(make_socket(0)) {
    sockaddr_storage storage{};
    auto size = static_cast<socklen_t>(
        SocketAddress{.ip = IpAddress::parse("127.0.0.1").value(), .port = 0}.to_sockaddr(storage));
    auto* const name = reinterpret_cast<sockaddr*>(&storage);  // NOLINT: as the calls ask for
    if (::bind(listener_.get(), name, size) < 0 || ::listen(listener_.get(), 0) < 0 ||
        ::getsockname(listener_.get(), name, &size) < 0) {
      throw std::system_error(errno, std::generic_category(), "listen");
    }
    address_ = SocketAddress::from_sockaddr(*name).value();
    // Until one is left waiting.
    for (;;) {
      const UniqueFd& client = clients_.emplace_back(make_socket(SOCK_NONBLOCK));
      static_cast<void>(::connect(client.get(), name, size));
      pollfd waiting{.fd = client.get(), .events = POLLOUT, .revents = 0};
      if (::poll(&waiting, 1, kLongEnoughMilliseconds) == 0) {
        return;
      }
    }
  }

  [[nodiscard]] const SocketAddress& address() const { return address_; }

 private:
  // The kernel takes a local connection at once, or not at all.
  static constexpr int kLongEnoughMilliseconds = 200;
  static UniqueFd make_socket(int flags) {
    return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  }

  UniqueFd listener_;
  SocketAddress address_;
  std::vector<UniqueFd> clients_;
};

}  // namespace meshdns::support
