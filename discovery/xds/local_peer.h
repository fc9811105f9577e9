// Whether a client of gRPC's is on this host.
#pragma once

#include <string_view>

namespace meshdns::discovery {

// `peer`: its address as gRPC writes it: "ipv4:127.0.0.1:80", "ipv6:%5B::1%5D:80", "unix:/path".
// True for a unix socket's and for loopback addresses; false for whatever is not understood.
[[nodiscard]] bool is_local_peer(std::string_view peer);

}  // namespace meshdns::discovery
