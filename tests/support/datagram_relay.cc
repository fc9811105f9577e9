#include "tests/support/datagram_relay.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"

namespace meshdns::support {
namespace {

// Of clients; the one that has been there longest goes.
constexpr std::size_t kMaxFlows = 1500;

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// One datagram that has arrived, and who sent it; nothing when there is none.
std::optional<std::vector<std::uint8_t>> receive(int fd, SocketAddress* from) {
  std::vector<std::uint8_t> octets(65535);
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what the sockets API asks for
  auto* const peer = reinterpret_cast<sockaddr*>(&storage);
  const ssize_t count = ::recvfrom(fd, octets.data(), octets.size(), MSG_DONTWAIT, peer, &length);
  if (count < 0) {
    return std::nullopt;
  }
  octets.resize(static_cast<std::size_t>(count));
  if (from != nullptr) {
    *from = SocketAddress::from_sockaddr(*peer).value_or(SocketAddress{});
  }
  return octets;
}

}  // namespace

DatagramRelay::DatagramRelay(const SocketAddress& server, const RelayFaults& faults,
                             std::uint64_t seed, const SocketAddress& address)
    : server_(server),
      address_(address),
      socket_(bind_socket(address, DnsTransport::kUdp)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      faults_(faults),
      random_(seed) {
  address_.port = port_of(socket_.get());
  watch(epoll_.get(), stop_.descriptor());
  watch(epoll_.get(), socket_.get());
  thread_ = std::thread([this] { serve(); });
}

DatagramRelay::~DatagramRelay() { stop_.stop(thread_); }

void DatagramRelay::set_faults(const RelayFaults& faults) {
  const std::scoped_lock lock(mutex_);
  faults_ = faults;
}

void DatagramRelay::serve() {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   milliseconds_to_next());
    for (const epoll_event& event :
         std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
      if (event.data.fd == stop_.descriptor()) {
        return;
      }
      if (event.data.fd == socket_.get()) {
        take_from_clients();
      } else if (const auto client = client_of_.find(event.data.fd); client != client_of_.end()) {
        take_from_server(flows_.at(client->second));
      }
    }
    send_due();
  }
}

int DatagramRelay::milliseconds_to_next() const {
  if (transits_.empty()) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(transits_.top().due -
                                                                 std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

void DatagramRelay::take_from_clients() {
  SocketAddress client;
  while (auto octets = receive(socket_.get(), &client)) {
    ++questions_;
    const Flow& flow = flow_of(client);
    schedule({.due = {},
              .order = 0,
              .socket = flow.socket.get(),
              .client = {},
              .octets = std::move(*octets)});
  }
}

void DatagramRelay::take_from_server(const Flow& flow) {
  while (auto octets = receive(flow.socket.get(), nullptr)) {
    schedule({.due = {},
              .order = 0,
              .socket = socket_.get(),
              .client = flow.client,
              .octets = std::move(*octets)});
  }
}

DatagramRelay::Flow& DatagramRelay::flow_of(const SocketAddress& client) {
  const auto found = flows_.find(client);
  if (found != flows_.end()) {
    return found->second;
  }
  if (flows_.size() >= kMaxFlows) {
    const auto oldest = flows_.find(by_age_.front());
    by_age_.pop();
    client_of_.erase(oldest->second.socket.get());
    flows_.erase(oldest);
  }
  UniqueFd socket = connect_socket(server_, DnsTransport::kUdp);
  watch(epoll_.get(), socket.get());
  client_of_[socket.get()] = client;
  by_age_.push(client);
  return flows_.emplace(client, Flow{.client = client, .socket = std::move(socket)}).first->second;
}

void DatagramRelay::schedule(Transit transit) {
  RelayFaults faults;
  {
    const std::scoped_lock lock(mutex_);
    faults = faults_;
  }
  std::uniform_real_distribution<double> share(0, 1);
  if (share(random_) < faults.loss) {
    ++lost_;
    return;
  }
  const int copies = share(random_) < faults.duplication ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Transit copy = transit;
    copy.order = ++order_;
    copy.due = std::chrono::steady_clock::now() + faults.delay +
               std::chrono::duration_cast<std::chrono::steady_clock::duration>(faults.jitter *
                                                                               share(random_));
    transits_.push(std::move(copy));
  }
}

void DatagramRelay::send_due() {
  while (!transits_.empty() && transits_.top().due <= std::chrono::steady_clock::now()) {
    const Transit& transit = transits_.top();
    if (transit.socket == socket_.get()) {
      sockaddr_storage storage{};
      const auto length = static_cast<socklen_t>(transit.client.to_sockaddr(storage));
      ::sendto(socket_.get(), transit.octets.data(), transit.octets.size(), MSG_NOSIGNAL,
               // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as above
               reinterpret_cast<const sockaddr*>(&storage), length);
    } else if (client_of_.contains(transit.socket)) {
      ::send(transit.socket, transit.octets.data(), transit.octets.size(), MSG_NOSIGNAL);
    }
    transits_.pop();
  }
}

}  // namespace meshdns::support
