// Keeps the forwarder from asking ourselves: an upstream that is one of our own listen addresses
// would send every question round in a loop.
#pragma once

#include <span>
#include <vector>

#include "base/ip_address.h"

namespace meshdns::dns {

struct UpstreamChoice {
  std::vector<SocketAddress> usable;
  std::vector<SocketAddress> refused;  // our own
};

// Parts `servers` by whether a question to them would reach `listening`. A wildcard listener hears
// on loopback and on each of `host_addresses`, with its port.
[[nodiscard]] UpstreamChoice part_own_addresses(std::span<const SocketAddress> servers,
                                                std::span<const SocketAddress> listening,
                                                std::span<const IpAddress> host_addresses);

}  // namespace meshdns::dns
