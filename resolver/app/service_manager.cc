#include "resolver/app/service_manager.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/app/descriptor_channel.h"

namespace meshdns::dns {
namespace {

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
constexpr std::uint64_t kMostInherited = 4096;
constexpr std::string_view kStorePrefix = "meshdns-";

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? std::string() : std::string(value);
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

bool is_this_process(const std::string& pid) {
  return number_of(pid) == static_cast<std::uint64_t>(::getpid());
}

int option_of(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

Result<InheritedSocket> inspect(int number, std::string name) {
  InheritedSocket socket{.fd = UniqueFd(number), .name = std::move(name), .address = {}};
  const std::string what = fmt::format("LISTEN_FDS: descriptor {} ({})", number,
                                       socket.name.empty() ? "without a name" : socket.name);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): fcntl(2) is declared so.
  static_cast<void>(::fcntl(number, F_SETFD, FD_CLOEXEC));
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  const bool has_address = ::getsockname(number, raw, &size) == 0;
  const auto address = has_address ? SocketAddress::from_sockaddr(*raw) : std::nullopt;
  if (!address) {
    return fail(ErrorCode::kInvalidArgument, what + " is no UDP or TCP socket");
  }
  socket.address = *address;
  socket.is_stream = option_of(number, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
  if (socket.is_stream ? option_of(number, SOL_SOCKET, SO_ACCEPTCONN) != 1
                       : option_of(number, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} at {} is neither a UDP socket nor a TCP socket that listens", what,
                            address->to_string()));
  }
  if (!address->ip.is_v4() && address->ip.is_unspecified() &&
      option_of(number, IPPROTO_IPV6, IPV6_V6ONLY) != 1) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} at {} takes IPv4 too (set BindIPv6Only=ipv6-only, and name 0.0.0.0 "
                            "beside it)",
                            what, address->to_string()));
  }
  return socket;
}

}  // namespace

Result<std::vector<InheritedSocket>> take_inherited_sockets() {
  std::vector<InheritedSocket> sockets;
  if (!is_this_process(environment("LISTEN_PID"))) {
    return sockets;
  }
  const auto count = number_of(environment("LISTEN_FDS"));
  if (!count || *count > kMostInherited) {
    return fail(ErrorCode::kInvalidArgument, "LISTEN_FDS is no number of descriptors");
  }
  std::string names = environment("LISTEN_FDNAMES");
  for (std::uint64_t i = 0; i < *count; ++i) {
    const std::size_t end = std::min(names.find(':'), names.size());
    auto socket = inspect(kFirstInherited + static_cast<int>(i), names.substr(0, end));
    names.erase(0, end + 1);
    if (!socket) {
      return tl::unexpected(std::move(socket.error()));
    }
    sockets.push_back(*std::move(socket));
  }
  return sockets;
}

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  const std::string path = environment("NOTIFY_SOCKET");
  const bool fits = path.size() > 1 && path.size() < sizeof(sockaddr_un::sun_path);
  if (fits && (path.starts_with('/') || path.starts_with('@'))) {
    manager.path_ = path;
  }
  const std::string pid = environment("WATCHDOG_PID");
  const auto allowed = number_of(environment("WATCHDOG_USEC"));
  if (manager.is_there() && allowed && (pid.empty() || is_this_process(pid))) {
    const auto half = std::chrono::microseconds(std::min<std::uint64_t>(*allowed, INT32_MAX) / 2);
    manager.watchdog_ = std::max(std::chrono::duration_cast<std::chrono::milliseconds>(half),
                                 std::chrono::milliseconds(1));
  }
  return manager;
}

void ServiceManager::tell(const std::string& lines, std::span<const int> descriptors) const {
  if (!is_there()) {
    return;
  }
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path_, std::begin(address.sun_path));
  if (path_.front() == '@') {
    address.sun_path[0] = '\0';
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
  if (socket.valid() && ::connect(socket.get(), raw, length) == 0) {
    static_cast<void>(send_packet(socket.get(), lines, descriptors, std::chrono::milliseconds(0)));
  }
}

void ServiceManager::tell_reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                   static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000));
}

void ServiceManager::store(const SocketAddress& address, std::span<const int> descriptors) const {
  while (!descriptors.empty()) {
    const auto some = descriptors.first(std::min(descriptors.size(), kMaxPacketDescriptors));
    tell("FDSTORE=1\nFDNAME=" + store_name(address), some);
    descriptors = descriptors.subspan(some.size());
  }
}

void ServiceManager::forget(const SocketAddress& address) const {
  tell("FDSTOREREMOVE=1\nFDNAME=" + store_name(address));
}

std::string ServiceManager::store_name(const SocketAddress& address) {
  std::string name = std::string(kStorePrefix) + address.to_string();
  std::ranges::replace(name, ':', '_');  // which stands between names
  return name;
}

bool ServiceManager::is_store_name(const std::string& name) {
  return name.starts_with(kStorePrefix);
}

}  // namespace meshdns::dns
