// A client's address, as gRPC writes it: "ipv4:127.0.0.1:80", "ipv6:%5B::1%5D:80", "unix:/path".
#pragma once

#include <optional>
#include <string_view>

#include "base/ip_address.h"

namespace meshdns::discovery {

// Nothing for a unix socket, and for whatever is not understood. Without a scope.
[[nodiscard]] std::optional<SocketAddress> address_of_peer(std::string_view peer);

// Whether it is on this host: true for a unix socket's and for loopback addresses; false for
// whatever is not understood.
[[nodiscard]] bool is_local_peer(std::string_view peer);

}  // namespace meshdns::discovery
