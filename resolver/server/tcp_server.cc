#include "resolver/server/tcp_server.h"

#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "resolver/server/connection_limits.h"
#include "resolver/server/listener.h"
#include "resolver/server/metrics.h"
#include "resolver/server/tcp_connection.h"
#include "resolver/server/worker_context.h"

namespace meshdns::dns {
namespace {

// What the kernel may hold of a connection's answers, without growing.
constexpr int kSendBufferBytes = 128 << 10;
// Who has answers to read for longer may have to make way. Most read them in a moment.
constexpr std::chrono::seconds kSlowReader{1};
// Connections to accept before others get their turn.
constexpr int kMaxAccepts = 64;

bool is_exhausted(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

struct TcpServer::State {
  State(boost::asio::io_context& io, UniqueFd fd, TcpServer& server)
      : listener(io, fd.release()), pause_timer(io), check_timer(io), owner(&server) {}
  // Another process may hold the socket too: closing alone would leave it in the reactor.
  void close_listener() {
    if (listener.is_open()) {
      const UniqueFd fd(listener.release());
    }
  }
  boost::asio::posix::stream_descriptor listener;
  boost::asio::steady_timer pause_timer;
  boost::asio::steady_timer check_timer;
  TcpServer* owner;  // null once it is gone
  bool checking = false;
  bool stopped = false;
};

TcpServer::TcpServer(WorkerContext& context, ConnectionLimits& limits, const Options& options,
                     UniqueFd socket)
    : context_(context),
      limits_(limits),
      options_(options),
      state_(std::make_shared<State>(context.io, std::move(socket), *this)) {
  context_.tcp_servers.push_back(this);
}

TcpServer::~TcpServer() {
  std::erase(context_.tcp_servers, this);
  state_->owner = nullptr;
  state_->pause_timer.cancel();
  state_->check_timer.cancel();
  state_->close_listener();
  while (!connections_.empty()) {
    const auto connection = connections_.begin()->second;
    connection->close();
  }
}

void TcpServer::start() { wait(); }

void TcpServer::stop() {
  if (std::exchange(state_->stopped, true)) {
    return;
  }
  // All in the queue have been told that they are connected.
  for (int i = 0; i < kTcpBacklog && accept_one() == AcceptResult::kAgain; ++i) {
  }
  state_->pause_timer.cancel();
  state_->close_listener();
  std::vector<std::shared_ptr<TcpConnection>> open;
  open.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) {
    open.push_back(connection);
  }
  for (const auto& connection : open) {
    connection->finish();
  }
}

void TcpServer::wait() {
  state_->listener.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [state = state_](const boost::system::error_code& /*error*/) {
                                if (state->owner != nullptr && !state->stopped) {
                                  state->owner->go_on();
                                }
                              });
}

void TcpServer::go_on() {
  try {
    accept_waiting();
  } catch (...) {
    wait();  // a step that failed must not make us deaf
    throw;
  }
}

void TcpServer::accept_waiting() {
  bool one_waits = true;
  for (int i = 0; i < kMaxAccepts; ++i) {
    switch (accept_one()) {
      case AcceptResult::kAgain:
        break;
      case AcceptResult::kWait:
        wait();
        return;
      case AcceptResult::kExhausted:
        // accept(2) says so too when nobody waits: nobody has to make way for nobody.
        if (!one_waits) {
          wait();
          return;
        }
        context_.metrics.accept_failures.add();
        if (!evict(nullptr, options_.accept_pause)) {
          pause();
          return;
        }
        break;
    }
    one_waits = false;
  }
  wait();
}

TcpServer::AcceptResult TcpServer::accept_one() {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  UniqueFd socket(context_.sockets.accept4(state_->listener.native_handle(), address, &size,
                                           SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) {
    const int error = errno;
    if (is_exhausted(error)) {
      return AcceptResult::kExhausted;
    }
    // All other errors concern one connection that has gone already (accept(2)).
    return error == EAGAIN ? AcceptResult::kWait : AcceptResult::kAgain;
  }
  if (auto client = SocketAddress::from_sockaddr(*address)) {
    client->ip = client->ip.unmapped();
    admit(std::move(socket), *client);
  }
  return AcceptResult::kAgain;
}

void TcpServer::admit(UniqueFd socket, const SocketAddress& client) {
  const IpAddress counted_as = context_.access->counted_as(client.ip);
  Admission admission = limits_.admit(counted_as);
  if (admission != Admission::kAdmitted &&
      evict(admission == Admission::kClientReached ? &counted_as : nullptr, {})) {
    admission = limits_.admit(counted_as);
  }
  if (admission != Admission::kAdmitted) {
    context_.metrics.tcp_refused_limit.add();
    return;
  }
  const int on = 1;
  context_.sockets.setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  context_.sockets.setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes,
                              sizeof kSendBufferBytes);
  std::shared_ptr<TcpConnection> connection;
  try {
    connection = std::make_shared<TcpConnection>(context_, *this, options_.timeouts,
                                                 std::move(socket), client);
    connections_.emplace(connection.get(), connection);
  } catch (const std::exception&) {  // no memory, or the reactor cannot take it
    limits_.release(counted_as);
    context_.metrics.accept_failures.add();
    return;
  }
  context_.metrics.tcp_accepted.add();
  context_.metrics.tcp_connections.set(static_cast<double>(limits_.open()));
  connection->start();
  check_later();
}

bool TcpServer::evict(const IpAddress* client, std::chrono::milliseconds at_least) {
  const TimePoint idle_before = context_.clock.now() - at_least;
  Eviction eviction;
  for (const TcpServer* const server : context_.tcp_servers) {
    server->look_for(client, idle_before, eviction);
  }
  const auto& [idle, half, slow] = eviction;
  const auto& chosen = idle ? idle : half ? half : slow;
  if (!chosen) {
    return false;
  }
  chosen->close(&context_.metrics.tcp_evicted);
  return true;
}

void TcpServer::look_for(const IpAddress* client, TimePoint idle_before, Eviction& eviction) const {
  auto& [idle, half, slow] = eviction;
  const TimePoint slow_before = context_.clock.now() - kSlowReader;
  for (const auto& [key, connection] : connections_) {
    if (client != nullptr && connection->counted_as() != *client) {
      continue;
    }
    if (connection->is_idle()) {
      if (connection->idle_since() <= idle_before &&
          (!idle || connection->idle_since() < idle->idle_since())) {
        idle = connection;
      }
    } else if (const auto since = connection->half_frame_since()) {
      if (!half || *since < half->half_frame_since()) {
        half = connection;
      }
    } else if (const auto unread = connection->unread_since(); unread && *unread <= slow_before) {
      if (!slow || *unread < slow->unread_since()) {
        slow = connection;
      }
    }
  }
}

void TcpServer::on_closed(TcpConnection& connection) {
  limits_.release(connection.counted_as());
  context_.metrics.tcp_connections.set(static_cast<double>(limits_.open()));
  connections_.erase(&connection);
}

void TcpServer::pause() {
  state_->pause_timer.expires_after(options_.accept_pause);
  state_->pause_timer.async_wait([state = state_](const boost::system::error_code& /*error*/) {
    if (state->owner != nullptr && !state->stopped) {
      state->owner->go_on();
    }
  });
}

void TcpServer::check_later() {
  if (std::exchange(state_->checking, true)) {
    return;
  }
  state_->check_timer.expires_after(options_.check_interval);
  state_->check_timer.async_wait([state = state_](const boost::system::error_code& /*error*/) {
    if (state->owner != nullptr) {
      state->checking = false;
      state->owner->check_timeouts();
    }
  });
}

void TcpServer::check_timeouts() {
  const TimePoint now = context_.clock.now();
  std::vector<std::shared_ptr<TcpConnection>> open;
  open.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) {
    open.push_back(connection);
  }
  for (const auto& connection : open) {
    connection->check_timeouts(now);
  }
  if (!connections_.empty()) {
    check_later();
  }
}

}  // namespace meshdns::dns
