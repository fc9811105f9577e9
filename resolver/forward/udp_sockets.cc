#include "resolver/forward/udp_sockets.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/socket_layer.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

// Events and datagrams taken at once, before clients get their turn.
constexpr std::size_t kMaxEvents = 64;
constexpr int kMaxDatagrams = 64;

}  // namespace

struct UdpSockets::Socket {
  int fd = -1;
  User* user = nullptr;  // null while nobody has it
  SocketAddress server;
  std::uint64_t uses = 0;  // so that a receiver sees that it changed hands
};

struct UdpSockets::Set {
  Set(boost::asio::io_context& io, int fd, UdpSockets& sockets)
      : descriptor(io, fd), owner(&sockets) {}
  boost::asio::posix::stream_descriptor descriptor;
  UdpSockets* owner;
};

UdpSockets::UdpSockets(std::size_t max_open, boost::asio::io_context& io, SocketLayer& sockets)
    : max_open_(max_open), sockets_(sockets), buffer_(kMaxMessageOctets) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_create1");
  }
  set_ = std::make_shared<Set>(io, fd, *this);
  wait();
}

UdpSockets::~UdpSockets() {
  set_->owner = nullptr;
  set_->descriptor.close();
  for (const auto& socket : all_) {
    if (socket->fd >= 0) {
      sockets_.close(socket->fd);
    }
  }
}

UdpSockets::Socket* UdpSockets::open(const SocketAddress& server, User& user) {
  if (open_ >= max_open_) {
    return nullptr;
  }
  Socket* const socket = take_idle(server.ip.family());
  if (socket == nullptr) {
    return nullptr;
  }
  sockaddr_storage storage{};
  const auto size = static_cast<socklen_t>(server.to_sockaddr(storage));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  if (sockets_.connect(socket->fd, reinterpret_cast<const sockaddr*>(&storage), size) < 0) {
    discard(*socket);
    return nullptr;
  }
  socket->user = &user;
  socket->server = server;
  ++socket->uses;
  ++open_;
  return socket;
}

UdpSockets::Socket* UdpSockets::take_idle(IpFamily family) {
  auto& idle = family == IpFamily::kV4 ? idle_v4_ : idle_v6_;
  if (!idle.empty()) {
    Socket* const socket = idle.back();
    idle.pop_back();
    return socket;
  }
  if (empty_.empty()) {
    empty_.push_back(all_.emplace_back(std::make_unique<Socket>()).get());
  }
  Socket* const socket = empty_.back();
  if (!create(*socket, family)) {
    return nullptr;
  }
  empty_.pop_back();
  return socket;
}

bool UdpSockets::create(Socket& socket, IpFamily family) {
  const int domain = family == IpFamily::kV4 ? AF_INET : AF_INET6;
  socket.fd = sockets_.socket(domain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket.fd < 0) {
    return false;
  }
  // Path MTUs that ICMP claims are not believed (RFC 9715 section 3.1).
  const int omit = IP_PMTUDISC_OMIT;
  static_assert(IP_PMTUDISC_OMIT == IPV6_PMTUDISC_OMIT);
  sockets_.setsockopt(socket.fd, family == IpFamily::kV4 ? IPPROTO_IP : IPPROTO_IPV6,
                      family == IpFamily::kV4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &omit,
                      sizeof omit);
  if (!watch(socket, EPOLL_CTL_ADD)) {
    sockets_.close(std::exchange(socket.fd, -1));
    return false;
  }
  return true;
}

// Told once of what has come: receive() takes all of it, or watches it again.
bool UdpSockets::watch(Socket& socket, int operation) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = &socket;
  return ::epoll_ctl(set_->descriptor.native_handle(), operation, socket.fd, &event) == 0;
}

bool UdpSockets::send(const Socket& socket, std::span<const std::uint8_t> datagram) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): sendmsg does not write there.
  iovec part{const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return sockets_.sendmsg(socket.fd, &message, MSG_NOSIGNAL) >= 0;
}

void UdpSockets::close(Socket& socket) {
  socket.user = nullptr;
  --open_;
  auto& idle = socket.server.ip.is_v4() ? idle_v4_ : idle_v6_;
  if (idle.size() < std::min(kMaxIdle, max_open_) && disconnect(socket)) {
    idle.push_back(&socket);
  } else {
    discard(socket);
  }
}

// Takes it off its port, then empties it: what has come for this question must not be there for
// the next.
bool UdpSockets::disconnect(const Socket& socket) {
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  if (sockets_.connect(socket.fd, &nowhere, sizeof nowhere) < 0) {
    return false;
  }
  for (int i = 0; i < kMaxDatagrams; ++i) {
    if (sockets_.recvfrom(socket.fd, buffer_.data(), 0, MSG_DONTWAIT, nullptr, nullptr) < 0 &&
        errno == EAGAIN) {
      return true;
    }
  }
  return false;
}

void UdpSockets::discard(Socket& socket) {
  sockets_.close(std::exchange(socket.fd, -1));  // which takes it out of the set
  empty_.push_back(&socket);
}

void UdpSockets::wait() {
  set_->descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [set = set_](const boost::system::error_code& /*error*/) {
                                if (set->owner != nullptr) {
                                  set->owner->on_ready();
                                }
                              });
}

void UdpSockets::on_ready() {
  std::array<epoll_event, kMaxEvents> events{};
  const int count = ::epoll_wait(set_->descriptor.native_handle(), events.data(),
                                 static_cast<int>(events.size()), 0);
  const auto set = set_;  // a user may end us
  auto left = std::span(events).first(static_cast<std::size_t>(std::max(count, 0)));
  try {
    for (; !left.empty(); left = left.subspan(1)) {
      receive(*static_cast<Socket*>(left.front().data.ptr));
      if (set->owner == nullptr) {
        return;
      }
    }
  } catch (...) {
    if (set->owner != nullptr) {
      go_on(left);
    }
    throw;
  }
  wait();
}

// Events are told once: what a step that failed has left is to be told again.
void UdpSockets::go_on(std::span<const epoll_event> left) {
  for (const epoll_event& event : left) {
    if (auto& socket = *static_cast<Socket*>(event.data.ptr); socket.fd >= 0) {
      static_cast<void>(watch(socket, EPOLL_CTL_MOD));  // else its question is asked again
    }
  }
  wait();
}

void UdpSockets::receive(Socket& socket) {
  const auto set = set_;
  const auto is_ours = [&socket, use = socket.uses] {
    return socket.user != nullptr && socket.uses == use;
  };
  for (int i = 0; i < kMaxDatagrams && is_ours(); ++i) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    auto* const from = reinterpret_cast<sockaddr*>(&storage);
    const ssize_t received =
        sockets_.recvfrom(socket.fd, buffer_.data(), buffer_.size(), 0, from, &length);
    if (received < 0) {
      if (errno == EAGAIN) {
        return;
      }
      if (errno != EINTR) {
        socket.user->on_error();
      }
    } else if (SocketAddress::from_sockaddr(*from) == socket.server) {
      // The kernel lets nobody else through, but for the moment between its port and its peer.
      socket.user->on_datagram(std::span(buffer_).first(static_cast<std::size_t>(received)));
    }
    if (set->owner == nullptr) {
      return;
    }
  }
  if (is_ours() && !watch(socket, EPOLL_CTL_MOD)) {
    socket.user->on_error();
  }
}

}  // namespace meshdns::dns
