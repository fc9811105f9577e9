#include "resolver/app/host_lookup.h"

#include <algorithm>
#include <ares.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/control_loop.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {
namespace {

constexpr int kTimeoutMilliseconds = 1500;
constexpr int kTries = 2;
// How long the thread waits before it looks whether it should end.
constexpr int kPollMilliseconds = 100;

struct Channel {
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (ares != nullptr) {
      ares_destroy(ares);
    }
  }
  ares_channel ares = nullptr;
};

// Outlives its channel, which may call back when destroyed.
struct Answer {
  bool done = false;
  int status = ARES_SUCCESS;
  std::vector<IpAddress> addresses;
};

void on_answer(void* argument, int status, int /*timeouts*/, ares_addrinfo* info) {
  Answer& answer = *static_cast<Answer*>(argument);
  answer.done = true;
  answer.status = status;
  for (const ares_addrinfo_node* node = info == nullptr ? nullptr : info->nodes; node != nullptr;
       node = node->ai_next) {
    const auto address = SocketAddress::from_sockaddr(*node->ai_addr);
    if (address) {
      answer.addresses.push_back(address->ip);
    }
  }
  if (info != nullptr) {
    ares_freeaddrinfo(info);
  }
}

// c-ares keeps no scope of a server, and refuses all of them where one has one. So it is told a
// server's place in the list where the port should stand, and we connect to what stands there.
int set_servers(ares_channel channel, const std::vector<SocketAddress>& servers) {
  std::vector<ares_addr_port_node> nodes(std::min<std::size_t>(servers.size(), UINT16_MAX));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto octets = servers[i].ip.octets();
    ares_addr_port_node& node = nodes[i];
    node = {};
    node.family = servers[i].ip.is_v4() ? AF_INET : AF_INET6;
    std::memcpy(&node.addr, octets.data(), octets.size());
    node.udp_port = static_cast<int>(i) + 1;
    node.tcp_port = node.udp_port;
    if (i > 0) {
      nodes[i - 1].next = &node;
    }
  }
  return ares_set_servers_ports(channel, nodes.empty() ? nullptr : nodes.data());
}

ares_socket_t open_socket(int family, int type, int protocol, void* /*servers*/) {
  return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

int close_socket(ares_socket_t fd, void* /*servers*/) { return ::close(fd); }

int connect_socket(ares_socket_t fd, const sockaddr* place, ares_socklen_t /*size*/, void* given) {
  const auto& servers = *static_cast<const std::vector<SocketAddress>*>(given);
  const auto told = SocketAddress::from_sockaddr(*place);
  if (!told || told->port == 0 || told->port > servers.size()) {
    errno = EINVAL;
    return -1;
  }
  sockaddr_storage storage{};
  const std::size_t size = servers[told->port - 1U].to_sockaddr(storage);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&storage), static_cast<socklen_t>(size));
}

ares_ssize_t receive(ares_socket_t fd, void* into, std::size_t size, int flags, sockaddr* from,
                     ares_socklen_t* from_size, void* /*servers*/) {
  return ::recvfrom(fd, into, size, flags, from, from_size);
}

ares_ssize_t send(ares_socket_t fd, const iovec* parts, int count, void* /*servers*/) {
  msghdr message{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): sendmsg does not write there.
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

constexpr ares_socket_functions kSocketFunctions{.asocket = open_socket,
                                                 .aclose = close_socket,
                                                 .aconnect = connect_socket,
                                                 .arecvfrom = receive,
                                                 .asendv = send};

// Waits for the channel's sockets once.
void process(ares_channel channel) {
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const auto bits = static_cast<unsigned>(
      ares_getsock(channel, sockets.data(), static_cast<int>(sockets.size())));
  std::vector<pollfd> polled;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    const bool readable = ((bits >> i) & 1U) != 0;
    const bool writable = ((bits >> (i + ARES_GETSOCK_MAXNUM)) & 1U) != 0;
    if (readable || writable) {
      const auto events = static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
      polled.push_back({sockets.at(i), events, 0});
    }
  }
  ::poll(polled.data(), polled.size(), kPollMilliseconds);
  ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // timeouts
  for (const pollfd& entry : polled) {
    const bool reads = (entry.revents & (POLLIN | POLLERR | POLLHUP)) != 0;
    const bool writes = (entry.revents & POLLOUT) != 0;
    ares_process_fd(channel, reads ? entry.fd : ARES_SOCKET_BAD,
                    writes ? entry.fd : ARES_SOCKET_BAD);
  }
}

// Asks these servers, one after the other, all in one way.
void ask(const std::string& host, const std::vector<SocketAddress>& servers,
         UpstreamTransport transport, const std::atomic<bool>& ending, Answer& answer) {
  answer = {};
  Channel channel;
  ares_options options{};
  options.flags = transport == UpstreamTransport::kTcp ? ARES_FLAG_USEVC : 0;
  options.timeout = kTimeoutMilliseconds;
  options.tries = kTries;
  // Given rather than read from resolv.conf and nsswitch.conf: no search list, /etc/hosts first.
  options.ndomains = 0;
  // Without servers it would ask those of resolv.conf, where we may stand.
  std::string lookups = servers.empty() ? "f" : "fb";
  options.lookups = lookups.data();
  const int given =
      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS;
  answer.status = ares_init_options(&channel.ares, &options, given);
  if (answer.status == ARES_SUCCESS) {
    answer.status = set_servers(channel.ares, servers);
  }
  if (answer.status != ARES_SUCCESS) {
    return;
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): they only read it.
  auto* const places = const_cast<std::vector<SocketAddress>*>(&servers);
  ares_set_socket_functions(channel.ares, &kSocketFunctions, places);
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel.ares, host.c_str(), nullptr, &hints, on_answer, &answer);
  while (!answer.done && !ending) {
    process(channel.ares);
  }
}

Result<std::vector<IpAddress>> look_up(const std::string& host,
                                       const std::vector<UpstreamServer>& servers,
                                       const std::atomic<bool>& ending) {
  const auto failed = [&host](const std::string& reason) {
    return fail(ErrorCode::kUnavailable, fmt::format("cannot resolve {}: {}", host, reason));
  };
  Answer answer;
  // A channel asks all of its servers in one way: a channel for each of them in a row that have it.
  auto next = servers.begin();
  do {
    const auto transport = next == servers.end() ? UpstreamTransport::kUdp : next->transport;
    std::vector<SocketAddress> alike;
    for (; next != servers.end() && next->transport == transport; ++next) {
      alike.push_back(next->address);
    }
    ask(host, alike, transport, ending, answer);
    const bool is_denied = answer.status == ARES_ENOTFOUND || answer.status == ARES_ENODATA;
    if (!answer.addresses.empty() || is_denied) {
      break;
    }
  } while (next != servers.end() && !ending);
  if (answer.addresses.empty() && servers.empty()) {
    return failed("it is not in /etc/hosts, and there is no upstream server to ask");
  }
  if (answer.addresses.empty()) {
    return failed(answer.status == ARES_SUCCESS ? "it has no addresses"
                                                : ares_strerror(answer.status));
  }
  return std::move(answer.addresses);
}

}  // namespace

struct HostLookup::Task {
  std::string host;
  std::vector<UpstreamServer> servers;
  OnAddresses done;
  std::atomic<bool> ending{false};
};

HostLookup::HostLookup(ControlLoop& loop) : loop_(loop) {}

HostLookup::~HostLookup() {
  if (task_) {
    task_->ending = true;
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void HostLookup::start(const std::string& host, const std::vector<UpstreamServer>& servers,
                       OnAddresses done) {
  if (task_) {
    return;
  }
  if (thread_.joinable()) {
    thread_.join();  // it has posted its answer
  }
  task_ = std::make_shared<Task>();
  task_->host = host;
  task_->servers = servers;
  task_->done = std::move(done);
  thread_ = std::thread([this, task = task_] {
    auto result = look_up(task->host, task->servers, task->ending);
    loop_.post([this, task, result = std::move(result)] {
      if (!task->ending) {
        task_.reset();
        task->done(result);
      }
    });
  });
}

}  // namespace meshdns::dns
