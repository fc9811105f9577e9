#include "tests/support/dns_client.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <istream>
#include <memory>
#include <optional>
#include <poll.h>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "resolver/app/ldns.h"  // IWYU pragma: keep
#include "tests/support/ldns_judge.h"
#include "tests/support/reply_log.h"

namespace meshdns::support {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int milliseconds_until(steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
  return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

bool wait_readable(int socket, steady_clock::time_point deadline) {
  pollfd entry{.fd = socket, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, milliseconds_until(deadline)) == 1;
}

// Exactly `buffer.size()` octets of a stream; false at its end or at the deadline.
bool read_exactly(int socket, std::span<std::uint8_t> buffer, steady_clock::time_point deadline) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    if (!wait_readable(socket, deadline)) {
      return false;
    }
    const ssize_t count = ::recv(socket, buffer.data() + done, buffer.size() - done, 0);
    if (count <= 0) {
      return false;
    }
    done += static_cast<std::size_t>(count);
  }
  return true;
}

std::uint16_t next_id() {
  static std::atomic<std::uint16_t> last{0};
  return ++last;
}

int socket_type(DnsTransport transport) {
  return (transport == DnsTransport::kUdp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC;
}

UniqueFd make_socket(const SocketAddress& address, DnsTransport transport) {
  UniqueFd fd(::socket(address.ip.is_v4() ? AF_INET : AF_INET6, socket_type(transport), 0));
  if (!fd.valid()) {
    throw std::system_error(errno, std::generic_category(), "socket");
  }
  return fd;
}

// The sockets API takes every family's address as a sockaddr.
const sockaddr* as_sockaddr(const sockaddr_storage& storage) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what the API asks for
  return reinterpret_cast<const sockaddr*>(&storage);
}

}  // namespace

std::optional<DnsReply> DnsReply::decode(std::span<const std::uint8_t> octets) {
  auto message = judge(octets);
  if (!message.has_value()) {
    return std::nullopt;
  }
  DnsReply reply;
  reply.message_ = std::move(*message);
  reply.octets_.assign(octets.begin(), octets.end());
  return reply;
}

std::string DnsReply::rcode() const {
  const unsigned rcode = (message_.extended_rcode << 4U) | message_.rcode;
  const ldns_lookup_table* entry = ldns_lookup_by_id(ldns_rcodes, static_cast<int>(rcode));
  return entry == nullptr ? std::to_string(rcode) : entry->name;
}

int DnsReply::extended_error_code() const {
  return message_.extended_error.has_value() ? message_.extended_error->code : -1;
}

std::vector<std::string> DnsReply::answer_data(const std::string& type) const {
  std::vector<std::string> data;
  for (const std::string& record : message_.answer) {
    std::istringstream fields(record);
    std::string owner;
    std::string ttl;
    std::string record_class;
    std::string record_type;
    std::string rest;
    fields >> owner >> ttl >> record_class >> record_type;
    std::getline(fields >> std::ws, rest);
    if (record_type == type) {
      data.push_back(rest);
    }
  }
  return data;
}

std::vector<std::uint8_t> encode(const DnsQuestion& question) {
  ldns_rdf* name = ldns_dname_new_frm_str(question.name.c_str());
  if (name == nullptr) {
    throw std::invalid_argument("no domain name: " + question.name);
  }
  const ldns_rr_type type = ldns_get_rr_type_by_name(question.type.c_str());
  const std::uint16_t flags = question.recursion_desired ? LDNS_RD : 0;
  // The packet takes the name.
  const std::unique_ptr<ldns_pkt, decltype(&ldns_pkt_free)> packet(
      ldns_pkt_query_new(name, type, LDNS_RR_CLASS_IN, flags), &ldns_pkt_free);
  ldns_pkt_set_id(packet.get(), question.id != 0 ? question.id : next_id());
  if (question.edns) {
    ldns_pkt_set_edns_udp_size(packet.get(), question.udp_payload_octets);
  }
  std::uint8_t* wire = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&wire, packet.get(), &size) != LDNS_STATUS_OK) {
    throw std::invalid_argument("no query: " + question.name);
  }
  std::vector<std::uint8_t> octets(wire, wire + size);
  std::free(wire);  // NOLINT: ldns allocates with malloc
  return octets;
}

UniqueFd connect_socket(const SocketAddress& server, DnsTransport transport) {
  UniqueFd fd = make_socket(server, transport);
  sockaddr_storage storage{};
  const std::size_t length = server.to_sockaddr(storage);
  if (::connect(fd.get(), as_sockaddr(storage), static_cast<socklen_t>(length)) != 0) {
    fd.reset();
  }
  return fd;
}

UniqueFd bind_socket(const SocketAddress& address, DnsTransport transport) {
  UniqueFd fd = make_socket(address, transport);
  const int on = 1;
  if (transport == DnsTransport::kTcp) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  sockaddr_storage storage{};
  const std::size_t length = address.to_sockaddr(storage);
  if (::bind(fd.get(), as_sockaddr(storage), static_cast<socklen_t>(length)) != 0) {
    throw std::system_error(errno, std::generic_category(), "bind " + address.to_string());
  }
  if (transport == DnsTransport::kTcp && ::listen(fd.get(), SOMAXCONN) != 0) {
    throw std::system_error(errno, std::generic_category(), "listen " + address.to_string());
  }
  return fd;
}

std::uint16_t port_of(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what the API asks for
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    throw std::system_error(errno, std::generic_category(), "getsockname");
  }
  return SocketAddress::from_sockaddr(*as_sockaddr(storage)).value().port;
}

std::uint16_t free_port() {
  // Each process of a parallel run starts elsewhere, and gives out no port twice.
  constexpr int kFirst = 10'000;
  constexpr int kCount = 22'000;  // up to 32,000
  static std::atomic<int> next = static_cast<int>(::getpid()) * 97 % kCount;
  const IpAddress loopback = IpAddress::parse("127.0.0.1").value();
  for (int attempt = 0; attempt < kCount; ++attempt) {
    const auto port = static_cast<std::uint16_t>(kFirst + next.fetch_add(1) % kCount);
    try {
      (void)bind_socket({.ip = loopback, .port = port}, DnsTransport::kTcp);
      (void)bind_socket({.ip = loopback, .port = port}, DnsTransport::kUdp);
      return port;
    } catch (const std::system_error&) {
      continue;  // Taken; try the next.
    }
  }
  throw std::runtime_error("no port is free for UDP and TCP");
}

bool send_message(int socket, DnsTransport transport, std::span<const std::uint8_t> octets) {
  std::vector<std::uint8_t> out;
  if (transport == DnsTransport::kTcp) {  // RFC 1035 section 4.2.2: the length comes first
    out.push_back(static_cast<std::uint8_t>(octets.size() >> 8U));
    out.push_back(static_cast<std::uint8_t>(octets.size() & 0xFFU));
  }
  out.insert(out.end(), octets.begin(), octets.end());
  return ::send(socket, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
}

std::optional<std::vector<std::uint8_t>> receive_message(int socket, DnsTransport transport,
                                                         milliseconds bound) {
  auto octets = receive_octets(socket, transport, bound);
  if (octets.has_value()) {
    EXPECT_TRUE(judge(*octets).has_value())
        << "ldns cannot read the reply " << testing::PrintToString(*octets);
    log_reply(*octets);
  }
  return octets;
}

std::optional<std::vector<std::uint8_t>> receive_octets(int socket, DnsTransport transport,
                                                        milliseconds bound) {
  const auto deadline = steady_clock::now() + bound;
  if (transport == DnsTransport::kTcp) {
    std::array<std::uint8_t, 2> length{};
    if (!read_exactly(socket, length, deadline)) {
      return std::nullopt;
    }
    std::vector<std::uint8_t> octets((static_cast<std::size_t>(length[0]) << 8U) | length[1]);
    if (!read_exactly(socket, octets, deadline)) {
      return std::nullopt;
    }
    return octets;
  }
  std::vector<std::uint8_t> octets(65535);
  if (!wait_readable(socket, deadline)) {
    return std::nullopt;
  }
  const ssize_t count = ::recv(socket, octets.data(), octets.size(), 0);
  if (count < 0) {
    return std::nullopt;
  }
  octets.resize(static_cast<std::size_t>(count));
  return octets;
}

std::optional<DnsReply> ask(const SocketAddress& server, const DnsQuestion& question,
                            DnsTransport transport, milliseconds bound) {
  const UniqueFd fd = connect_socket(server, transport);
  const std::vector<std::uint8_t> query = encode(question);
  if (!fd.valid() || !send_message(fd.get(), transport, query)) {
    return std::nullopt;
  }
  const auto octets = receive_message(fd.get(), transport, bound);
  if (!octets.has_value()) {
    return std::nullopt;
  }
  auto reply = DnsReply::decode(*octets);
  const auto sent = DnsReply::decode(query);
  if (!reply.has_value() || reply->message().id != sent->message().id) {
    return std::nullopt;
  }
  return reply;
}

}  // namespace meshdns::support
