#include "tests/support/scripted_upstream.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "resolver/app/ldns.h"  // IWYU pragma: keep
#include "tests/support/dns_client.h"

namespace meshdns::support {
namespace {

constexpr std::chrono::seconds kStalledMessage{5};

using Packet = std::unique_ptr<ldns_pkt, decltype(&ldns_pkt_free)>;

Packet parse(const std::vector<std::uint8_t>& octets) {
  ldns_pkt* packet = nullptr;
  if (ldns_wire2pkt(&packet, octets.data(), octets.size()) != LDNS_STATUS_OK) {
    packet = nullptr;
  }
  return {packet, &ldns_pkt_free};
}

void describe_question(UpstreamQuery& query) {
  const auto decoded = DnsReply::decode(query.octets);
  if (!decoded.has_value() || decoded->message().question.empty()) {
    return;
  }
  std::istringstream fields(decoded->message().question.front());  // "www.example.org. IN A"
  std::string record_class;
  fields >> query.name >> record_class >> query.type;
  std::ranges::transform(query.name, query.name.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
}

}  // namespace

ScriptedUpstream::ScriptedUpstream(Script script, const std::string& address, std::uint16_t port)
    : script_(std::move(script)),
      address_{.ip = IpAddress::parse(address).value(), .port = port},
      tcp_(bind_socket(address_, DnsTransport::kTcp)) {
  address_.port = port_of(tcp_.get());
  udp_ = bind_socket(address_, DnsTransport::kUdp);
  thread_ = std::thread([this] { serve(); });
}

ScriptedUpstream::~ScriptedUpstream() { stop_.stop(thread_); }

std::vector<UpstreamQuery> ScriptedUpstream::queries() const {
  const std::scoped_lock lock(mutex_);
  return queries_;
}

std::size_t ScriptedUpstream::count(DnsTransport transport) const {
  const std::vector<UpstreamQuery> all = queries();
  return static_cast<std::size_t>(
      std::ranges::count(all, transport, [](const UpstreamQuery& q) { return q.transport; }));
}

void ScriptedUpstream::serve() {
  const auto watch = [](int fd) { return pollfd{.fd = fd, .events = POLLIN, .revents = 0}; };
  std::vector<UniqueFd> connections;
  for (;;) {
    std::vector<pollfd> entries{watch(stop_.descriptor()), watch(udp_.get()), watch(tcp_.get())};
    std::ranges::transform(connections, std::back_inserter(entries),
                           [&](const UniqueFd& connection) { return watch(connection.get()); });
    ::poll(entries.data(), entries.size(), -1);
    if (entries[0].revents != 0) {
      return;
    }
    if (entries[1].revents != 0) {
      serve_datagram();
    }
    for (std::size_t i = 0; i < connections.size(); ++i) {
      if (entries[i + 3].revents != 0 && !serve_connection(connections[i].get())) {
        connections[i].reset();
      }
    }
    std::erase_if(connections, [](const UniqueFd& connection) { return !connection.valid(); });
    if (entries[2].revents != 0) {
      connections.emplace_back(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  }
}

void ScriptedUpstream::serve_datagram() {
  UpstreamQuery query;
  query.octets.resize(65535);
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what the sockets API asks for
  auto* const peer = reinterpret_cast<sockaddr*>(&storage);
  const ssize_t count =
      ::recvfrom(udp_.get(), query.octets.data(), query.octets.size(), 0, peer, &length);
  if (count <= 0) {
    return;
  }
  query.octets.resize(static_cast<std::size_t>(count));
  query.client_port = SocketAddress::from_sockaddr(*peer).value_or(SocketAddress{}).port;
  for (const auto& reply : take(std::move(query))) {
    ::sendto(udp_.get(), reply.data(), reply.size(), MSG_NOSIGNAL, peer, length);
  }
}

bool ScriptedUpstream::serve_connection(int connection) {
  auto octets = receive_octets(connection, DnsTransport::kTcp, kStalledMessage);
  if (!octets.has_value()) {
    return false;
  }
  UpstreamQuery query;
  query.octets = std::move(*octets);
  query.transport = DnsTransport::kTcp;
  return std::ranges::all_of(take(std::move(query)), [&](const auto& reply) {
    return send_message(connection, DnsTransport::kTcp, reply);
  });
}

std::vector<std::vector<std::uint8_t>> ScriptedUpstream::take(UpstreamQuery query) {
  describe_question(query);
  {
    const std::scoped_lock lock(mutex_);
    queries_.push_back(query);
  }
  return script_(query);
}

std::vector<std::uint8_t> make_reply(const UpstreamQuery& query, const std::string& rcode,
                                     const std::vector<std::string>& answers, Truncated truncated) {
  const Packet packet = parse(query.octets);
  if (packet == nullptr) {
    return {};
  }
  ldns_pkt_set_qr(packet.get(), true);
  ldns_pkt_set_ra(packet.get(), true);
  ldns_pkt_set_tc(packet.get(), truncated == Truncated::kYes);
  const ldns_lookup_table* code = ldns_lookup_by_name(ldns_rcodes, rcode.c_str());
  if (code == nullptr) {
    throw std::invalid_argument("no rcode: " + rcode);
  }
  ldns_pkt_set_rcode(packet.get(), static_cast<std::uint8_t>(code->id));
  for (const std::string& text : answers) {
    ldns_rr* record = nullptr;
    if (ldns_rr_new_frm_str(&record, text.c_str(), 60, nullptr, nullptr) != LDNS_STATUS_OK) {
      throw std::invalid_argument("no record: " + text);
    }
    ldns_pkt_push_rr(packet.get(), LDNS_SECTION_ANSWER, record);
  }
  std::uint8_t* wire = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&wire, packet.get(), &size) != LDNS_STATUS_OK) {
    throw std::invalid_argument("no reply can be encoded");
  }
  std::vector<std::uint8_t> octets(wire, wire + size);
  std::free(wire);  // NOLINT: ldns allocates with malloc
  return octets;
}

ScriptedUpstream::Script always_address(const std::string& address) {
  return [address](const UpstreamQuery& query) -> std::vector<std::vector<std::uint8_t>> {
    std::vector<std::string> answers;
    if (query.type == "A") {
      answers.push_back(query.name + " 60 IN A " + address);
    }
    return {make_reply(query, "NOERROR", answers)};
  };
}

ScriptedUpstream::Script silence() {
  return [](const UpstreamQuery&) { return std::vector<std::vector<std::uint8_t>>{}; };
}

}  // namespace meshdns::support
