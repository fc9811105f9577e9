#include "discovery/xds/connection_acceptor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <pthread.h>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::discovery {
namespace {

// How long to wait for a descriptor.
constexpr int kPauseMilliseconds = 100;
// Descriptors that connections leave to others, and where there are few, the part that they leave.
constexpr rlim_t kLeft = 64;
constexpr rlim_t kLeftPart = 4;
// Before it looks whether it is to stop.
constexpr int kMostAtOnce = 64;

std::string text_of(int error) { return std::generic_category().message(error); }

Result<void> set_option(int socket, int level, int name, int value) {
  if (::setsockopt(socket, level, name, &value, sizeof(value)) != 0) {
    return fail(ErrorCode::kNetwork, text_of(errno));
  }
  return {};
}

// What connections take over from the socket that they come by is set here, too.
Result<UniqueFd> bind_listener(const SocketAddress& address,
                               std::chrono::milliseconds user_timeout) {
  sockaddr_storage storage{};
  const auto size = static_cast<socklen_t>(address.to_sockaddr(storage));
  UniqueFd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) {
    return fail(ErrorCode::kNetwork, text_of(errno));
  }
  auto prepared =
      set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1)
          .and_then([&] { return set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1); })
          .and_then([&] {
            return set_option(socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT,
                              static_cast<int>(user_timeout.count()));
          });
  if (prepared && storage.ss_family == AF_INET6) {
    prepared = set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  if (!prepared) {
    return tl::unexpected(std::move(prepared.error()));
  }
  const auto* const name = reinterpret_cast<const sockaddr*>(&storage);  // NOLINT: as bind(2) asks
  if (::bind(socket.get(), name, size) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
    return fail(ErrorCode::kNetwork, text_of(errno));
  }
  return socket;
}

Result<UniqueFd> bind_either(const SocketAddress& address, std::chrono::milliseconds user_timeout) {
  if (address.ip.is_v4() && address.ip.is_unspecified()) {
    constexpr std::array<std::uint8_t, 16> kAnyIpv6{};
    const SocketAddress both{.ip = IpAddress(kAnyIpv6), .port = address.port};
    if (auto bound = bind_listener(both, user_timeout)) {
      return bound;
    }
  }
  return bind_listener(address, user_timeout);
}

std::uint16_t port_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* const name = reinterpret_cast<sockaddr*>(&storage);  // NOLINT: as getsockname(2) asks
  if (::getsockname(socket, name, &size) != 0) {
    return 0;
  }
  const auto address = SocketAddress::from_sockaddr(*name);
  return address ? address->port : std::uint16_t{0};
}

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(UniqueFd listener, UniqueFd wake, std::uint16_t port,
                                       Logger& logger)
    : listener_(std::move(listener)), wake_(std::move(wake)), port_(port), logger_(logger) {}

ConnectionAcceptor::~ConnectionAcceptor() { stop(); }

Result<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::listen(
    const SocketAddress& address, std::chrono::milliseconds user_timeout, Logger& logger) {
  auto listener = bind_either(address, user_timeout);
  if (!listener) {
    return tl::unexpected(std::move(listener.error()));
  }
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) {
    return fail(ErrorCode::kNetwork, text_of(errno));
  }
  const std::uint16_t port = port_of(listener->get());
  return std::unique_ptr<ConnectionAcceptor>(
      new ConnectionAcceptor(*std::move(listener), std::move(wake), port, logger));
}

void ConnectionAcceptor::start(Hand hand) {
  hand_ = std::move(hand);
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "xds-accept");  // for `top -H`
}

void ConnectionAcceptor::stop() {
  if (thread_.joinable()) {
    (void)::eventfd_write(wake_.get(), 1);
    thread_.join();
  }
  listener_.reset();
}

void ConnectionAcceptor::run() {
  std::array<pollfd, 2> waited{{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                {.fd = listener_.get(), .events = POLLIN, .revents = 0}}};
  bool may_take = true;
  while (true) {
    // Who waits in the kernel's queue keeps the listener readable: then only the time counts.
    (void)::poll(waited.data(), may_take ? waited.size() : 1, may_take ? -1 : kPauseMilliseconds);
    if (waited[0].revents != 0) {
      return;
    }
    may_take = take_waiting();
  }
}

int ConnectionAcceptor::shortage() const {
  // The kernel gives the lowest that is free.
  const UniqueFd next(::fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0));
  if (!next.valid()) {
    return errno;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 0;
  }
  const rlim_t left = std::min(kLeft, limit.rlim_cur / kLeftPart);
  return static_cast<rlim_t>(next.get()) + left < limit.rlim_cur ? 0 : EMFILE;
}

bool ConnectionAcceptor::is_waited_on() const {
  pollfd listener{.fd = listener_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&listener, 1, 0) > 0;
}

bool ConnectionAcceptor::take_waiting() {
  for (int i = 0; i < kMostAtOnce; ++i) {
    if (const int error = shortage(); error != 0) {
      if (is_waited_on()) {
        note_shortage(error);
      }
      return false;
    }
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    auto* const name = reinterpret_cast<sockaddr*>(&storage);  // NOLINT: as accept4(2) asks
    UniqueFd connection(::accept4(listener_.get(), name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.valid()) {
      hand_(std::move(connection), SocketAddress::from_sockaddr(*name).value_or(SocketAddress{}));
      continue;
    }
    const int error = errno;
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      note_shortage(error);
      return false;
    }
    if (error == EAGAIN) {
      is_short_ = false;
      break;
    }
    // Else it is of a connection that is gone already, or of the network it came by (accept(2)).
  }
  return true;
}

void ConnectionAcceptor::note_shortage(int error) {
  if (!std::exchange(is_short_, true)) {
    logger_.warn("clients wait for their connections to be taken reason=\"{}\"", text_of(error));
  }
}

}  // namespace meshdns::discovery
