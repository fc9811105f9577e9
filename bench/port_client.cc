#include "bench/port_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <poll.h>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "bench/names_file.h"

namespace meshdns::bench {
namespace {

constexpr std::size_t kHeaderOctets = 12;
constexpr std::uint8_t kTypeSrv = 33;
// The name as a pointer, type, class, TTL, length, priority and weight stand before it.
constexpr std::size_t kPortOffset = 2 + 2 + 2 + 4 + 2 + 2 + 2;

std::vector<std::uint8_t> make_query(std::uint16_t id, std::span<const std::uint8_t> name) {
  std::vector<std::uint8_t> query{static_cast<std::uint8_t>(id >> 8U),
                                  static_cast<std::uint8_t>(id & 0xffU),
                                  1,  // RD
                                  0,
                                  0,
                                  1,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0};
  query.insert(query.end(), name.begin(), name.end());
  query.insert(query.end(), {0, kTypeSrv, 0, 1});
  return query;
}

// Of an answer that begins as its query does, and whose records point to the name in it.
std::optional<std::uint16_t> port_in(std::span<const std::uint8_t> answer,
                                     std::size_t query_octets) {
  const bool has_record = answer.size() > kHeaderOctets && answer[6] + answer[7] != 0;
  if (!has_record || answer.size() < query_octets + kPortOffset + 2) {
    return std::nullopt;
  }
  const auto record = answer.subspan(query_octets);
  if (record[0] != 0xc0 || record[1] != kHeaderOctets || record[3] != kTypeSrv) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(record[kPortOffset] << 8U | record[kPortOffset + 1]);
}

}  // namespace

Result<PortClient> PortClient::connect(const SocketAddress& server) {
  sockaddr_storage storage{};
  const auto length = static_cast<socklen_t>(server.to_sockaddr(storage));
  UniqueFd socket(::socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) {
    return tl::unexpected(errno_error(errno, "socket"));
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how sockets take addresses.
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return tl::unexpected(errno_error(errno, "connect to " + server.to_string()));
  }
  return PortClient(std::move(socket));
}

std::optional<std::uint16_t> PortClient::ask(std::string_view name,
                                             std::chrono::milliseconds timeout) {
  const auto wire = name_to_wire(name);
  if (!wire) {
    return std::nullopt;
  }
  const auto query = make_query(++id_, *wire);
  if (::send(socket_.get(), query.data(), query.size(), 0) < 0) {
    return std::nullopt;
  }
  std::array<std::uint8_t, 1232> answer{};
  pollfd readable{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  while (::poll(&readable, 1, static_cast<int>(timeout.count())) > 0) {
    const ssize_t octets = ::recv(socket_.get(), answer.data(), answer.size(), 0);
    if (octets < 0) {
      return std::nullopt;
    }
    const auto whole = std::span(answer).first(static_cast<std::size_t>(octets));
    if (whole.size() >= 2 && std::ranges::equal(whole.first(2), std::span(query).first(2))) {
      return port_in(whole, query.size());
    }
  }
  return std::nullopt;
}

}  // namespace meshdns::bench
