#include "resolver/app/host_lookup.h"

#include <ares.h>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/control_loop.h"

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

std::string csv_of(const std::vector<SocketAddress>& servers) {
  std::string text;
  for (const SocketAddress& server : servers) {
    text += (text.empty() ? "" : ",") + server.to_string();
  }
  return text;
}

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

Result<std::vector<IpAddress>> look_up(const std::string& host,
                                       const std::vector<SocketAddress>& servers,
                                       const std::atomic<bool>& ending) {
  const auto failed = [&host](const std::string& reason) {
    return fail(ErrorCode::kUnavailable, fmt::format("cannot resolve {}: {}", host, reason));
  };
  Answer answer;  // outlives the channel, which may call back when destroyed
  Channel channel;
  ares_options options{};
  options.timeout = kTimeoutMilliseconds;
  options.tries = kTries;
  // Given rather than read from resolv.conf and nsswitch.conf: no search list, /etc/hosts first.
  options.ndomains = 0;
  std::string lookups = "fb";
  options.lookups = lookups.data();
  const int flags = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS;
  int status = ares_init_options(&channel.ares, &options, flags);
  if (status == ARES_SUCCESS) {
    status = ares_set_servers_ports_csv(channel.ares, csv_of(servers).c_str());
  }
  if (status != ARES_SUCCESS) {
    return failed(ares_strerror(status));
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel.ares, host.c_str(), nullptr, &hints, on_answer, &answer);
  while (!answer.done && !ending) {
    process(channel.ares);
  }
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
  std::vector<SocketAddress> servers;
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

void HostLookup::start(const std::string& host, const std::vector<SocketAddress>& servers,
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
