#include "resolver/forward/own_address.h"

#include <algorithm>
#include <span>

#include "base/ip_address.h"

namespace meshdns::dns {
namespace {

bool is_heard_by(const SocketAddress& server, const SocketAddress& listener,
                 std::span<const IpAddress> host_addresses) {
  if (server.port != listener.port) {
    return false;
  }
  const IpAddress target = server.ip.unmapped();
  if (!listener.ip.is_unspecified()) {
    // Connecting to the unspecified address reaches loopback.
    return target == listener.ip.unmapped() ||
           (target.is_unspecified() && target.family() == listener.ip.family() &&
            listener.ip.is_loopback());
  }
  return target.family() == listener.ip.family() &&
         (target.is_loopback() || target.is_unspecified() ||
          std::ranges::find(host_addresses, target) != host_addresses.end());
}

}  // namespace

UpstreamChoice part_own_addresses(std::span<const SocketAddress> servers,
                                  std::span<const SocketAddress> listening,
                                  std::span<const IpAddress> host_addresses) {
  UpstreamChoice choice;
  for (const SocketAddress& server : servers) {
    const bool own = std::ranges::any_of(listening, [&](const SocketAddress& listener) {
      return is_heard_by(server, listener, host_addresses);
    });
    (own ? choice.refused : choice.usable).push_back(server);
  }
  return choice;
}

}  // namespace meshdns::dns
