#include "resolver/server/access_list.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <ifaddrs.h>
#include <memory>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/answer/query_handler.h"

namespace meshdns::dns {

AccessList::AccessList(std::vector<IpAddress> host_addresses, std::vector<IpPrefix> allowed)
    : host_addresses_(std::move(host_addresses)), allowed_(std::move(allowed)) {
  std::ranges::sort(host_addresses_);
}

bool AccessList::is_host(const IpAddress& address) const {
  return address.is_loopback() || std::ranges::binary_search(host_addresses_, address);
}

IpAddress AccessList::counted_as(const IpAddress& client) const {
  constexpr std::array<std::uint8_t, 4> kLoopback{127, 0, 0, 1};
  const IpAddress address = client.unmapped();
  return is_host(address) ? IpAddress(kLoopback) : address;
}

ClientAccess AccessList::check(const IpAddress& client) const {
  const IpAddress address = client.unmapped();
  const bool allowed =
      is_host(address) ||
      std::ranges::any_of(allowed_, [&](const IpPrefix& block) { return block.contains(address); });
  return allowed ? ClientAccess::kAllowed : ClientAccess::kRefused;
}

Result<std::vector<IpAddress>> read_host_addresses() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) {
    return tl::unexpected(errno_error(errno, "cannot list the host's addresses"));
  }
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) {
      continue;
    }
    if (const auto address = SocketAddress::from_sockaddr(*entry->ifa_addr)) {
      addresses.push_back(address->ip);
    }
  }
  return addresses;
}

}  // namespace meshdns::dns
