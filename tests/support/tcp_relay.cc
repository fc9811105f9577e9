#include "tests/support/tcp_relay.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <mutex>
#include <numeric>
#include <poll.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"

namespace meshdns::support {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How often a plan, a command or a time is looked at: the sockets wake the thread by themselves.
constexpr int kTurnMilliseconds = 10;
constexpr std::size_t kPieceOctets = 65536;
// What one direction may hold while its receiver does not read.
constexpr std::size_t kHeldOctets = 4 * kPieceOctets;

void set_nonblocking(int socket) {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);  // NOLINT(*-vararg)
}

void reset_on_close(int socket) {
  const linger nothing{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &nothing, sizeof nothing);
}

}  // namespace

struct TcpRelay::Connection {
  std::array<UniqueFd, 2> ends;     // the client, the server
  std::array<std::string, 2> held;  // on the way to that end
  std::array<bool, 2> has_ended{};  // that end has said all
  std::size_t from_server = 0;      // octets so far
  Instant began;
  Ending ending;
  bool has_met = false;  // its fate, which lasts until `until`
  Instant until;
};

std::uint64_t TcpRelay::Counts::ended() const {
  return std::accumulate(met.begin(), met.end(), std::uint64_t{0});
}

TcpRelay::TcpRelay(const SocketAddress& server)
    : address_{IpAddress::parse("127.0.0.1").value(), free_port(), 0},
      server_(server),
      last_accept_(steady_clock::now() - std::chrono::hours(1)) {
  accept_again();
  thread_ = std::thread([this] { run(); });
}

TcpRelay::~TcpRelay() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  thread_.join();
}

void TcpRelay::set_server(const SocketAddress& server) {
  const std::lock_guard lock(mutex_);
  server_ = server;
}

void TcpRelay::set_plan(Plan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
}

void TcpRelay::refuse() {
  const std::lock_guard lock(mutex_);
  listener_.reset();
}

void TcpRelay::accept_again() {
  const std::lock_guard lock(mutex_);
  if (!listener_.valid()) {
    listener_ = bind_socket(address_, DnsTransport::kTcp);
    set_nonblocking(listener_.get());
  }
}

void TcpRelay::bring(Fate fate, milliseconds lasts) {
  const std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) {
    if (!connection.has_met) {
      connection.ending = {.fate = fate, .after_bytes = 0, .after = {}, .lasts = lasts};
    }
  }
}

TcpRelay::Counts TcpRelay::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::size_t TcpRelay::open_connections() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

void TcpRelay::run() {
  std::vector<pollfd> sockets;
  while (true) {
    sockets.clear();
    {
      const std::lock_guard lock(mutex_);
      if (stop_) {
        return;
      }
      if (listener_.valid()) {
        take_connection();
        sockets.push_back({listener_.get(), POLLIN, 0});
      }
      const Instant now = steady_clock::now();
      connections_.remove_if(
          [this, now](Connection& connection) { return !advance(connection, now); });
      for (const Connection& connection : connections_) {
        const bool stalls = connection.has_met && connection.ending.fate == Fate::kStall;
        for (std::size_t end = 0; end < 2; ++end) {
          const bool wants_more =
              !connection.has_ended.at(end) && connection.held.at(1 - end).size() < kHeldOctets;
          const bool has_more = !connection.held.at(end).empty();
          sockets.push_back({stalls ? -1 : connection.ends.at(end).get(),
                             static_cast<short>((wants_more ? POLLIN : 0) |  // NOLINT: poll's type
                                                (has_more ? POLLOUT : 0)),
                             0});
        }
      }
    }
    // A socket may be closed meanwhile, by refuse() alone: poll then wakes for nothing.
    ::poll(sockets.data(), sockets.size(), kTurnMilliseconds);
  }
}

void TcpRelay::take_connection() {
  while (true) {
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.valid()) {
      return;
    }
    const Instant now = steady_clock::now();
    ++counts_.accepted;
    counts_.least_pause =
        std::min(counts_.least_pause, std::chrono::duration_cast<milliseconds>(now - last_accept_));
    last_accept_ = now;
    Connection connection;
    connection.ends[0] = std::move(client);
    connection.began = now;
    if (plan_) {
      connection.ending = plan_();
    }
    connection.ends[1] =
        connect_socket(connection.ending.server.value_or(server_), DnsTransport::kTcp);
    if (!connection.ends[1].valid()) {
      end(connection, Fate::kReset);
      continue;
    }
    set_nonblocking(connection.ends[1].get());
    connections_.push_back(std::move(connection));
  }
}

bool TcpRelay::advance(Connection& connection, Instant now) {
  const Ending& ending = connection.ending;
  if (!connection.has_met && ending.fate != Fate::kPass &&
      connection.from_server >= ending.after_bytes && now - connection.began >= ending.after) {
    connection.has_met = true;
    connection.until = now + ending.lasts;
    ++counts_.met.at(static_cast<std::size_t>(ending.fate));
  }
  if (connection.has_met) {
    const bool lasts = ending.fate == Fate::kSwallow || ending.fate == Fate::kStall;
    if (!lasts || now >= connection.until) {
      if (ending.fate != Fate::kClose) {
        reset_on_close(connection.ends[0].get());
        reset_on_close(connection.ends[1].get());
      }
      return false;
    }
    if (ending.fate == Fate::kStall) {
      return !has_given_up(connection);
    }
  }
  for (std::size_t end = 0; end < 2; ++end) {
    if (!receive(connection, end) || !deliver(connection, 1 - end)) {
      if (!connection.has_met) {
        ++counts_.met.at(static_cast<std::size_t>(Fate::kPass));
      }
      return false;
    }
  }
  return true;
}

// Without reading what it has sent.
bool TcpRelay::has_given_up(const Connection& connection) {
  std::array<pollfd, 2> ends{
      {{connection.ends[0].get(), POLLRDHUP, 0}, {connection.ends[1].get(), POLLRDHUP, 0}}};
  return ::poll(ends.data(), ends.size(), 0) > 0;
}

bool TcpRelay::receive(Connection& connection, std::size_t end) {
  std::string& held = connection.held.at(1 - end);
  while (held.size() < kHeldOctets && !connection.has_ended.at(end)) {
    std::array<char, kPieceOctets> piece{};
    // A planned end in the middle of a response is met to the octet.
    std::size_t most = piece.size();
    const Ending& ending = connection.ending;
    if (end == 1 && ending.fate != Fate::kPass && connection.from_server < ending.after_bytes) {
      most = std::min(most, ending.after_bytes - connection.from_server);
    }
    const ssize_t size = ::recv(connection.ends.at(end).get(), piece.data(), most, 0);
    if (size < 0 && errno == EAGAIN) {
      return true;
    }
    if (size <= 0) {
      connection.has_ended.at(end) = true;
      // The other end still gets what was on its way.
      return size == 0 && !held.empty();
    }
    if (end == 1) {
      connection.from_server += static_cast<std::size_t>(size);
    }
    if (!connection.has_met) {
      held.append(piece.data(), static_cast<std::size_t>(size));
    }
    if (most < piece.size()) {
      return true;
    }
  }
  return true;
}

bool TcpRelay::deliver(Connection& connection, std::size_t end) {
  std::string& held = connection.held.at(end);
  if (connection.has_met) {
    held.clear();
  }
  while (!held.empty()) {
    const ssize_t size =
        ::send(connection.ends.at(end).get(), held.data(), held.size(), MSG_NOSIGNAL);
    if (size < 0) {
      return errno == EAGAIN;
    }
    held.erase(0, static_cast<std::size_t>(size));
  }
  return !connection.has_ended.at(1 - end);
}

void TcpRelay::end(Connection& connection, Fate fate) {
  reset_on_close(connection.ends[0].get());
  ++counts_.met.at(static_cast<std::size_t>(fate));
}

}  // namespace meshdns::support
