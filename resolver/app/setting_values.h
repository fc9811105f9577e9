// Text to the values of settings that are more than a word or a number: addresses, blocks, paths.
// Errors are "reason (what to write instead)".
#pragma once

#include <cstdint>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {

// "ADDRESS:PORT". Without a port, `default_port` is taken; 0 makes it required.
[[nodiscard]] Result<SocketAddress> parse_socket_address(const std::string& text,
                                                         std::uint16_t default_port);

// "ADDRESS/LENGTH", or a bare address as a block of one.
[[nodiscard]] Result<IpPrefix> parse_prefix(const std::string& text);

// A block of `family` whose length is that of a pool: large enough to be one, and small enough to
// be meant (IPv4 /4 to /29, IPv6 /32 to /120).
[[nodiscard]] Result<IpPrefix> parse_pool(const std::string& text, IpFamily family);

// An absolute path without control characters.
[[nodiscard]] Result<std::string> parse_path(const std::string& text);

// "HOST:PORT" or "unix:/PATH", as it is. HOST is a name or an address; a name whose last label is a
// number is a mistyped address.
[[nodiscard]] Result<std::string> parse_control_plane(const std::string& text);

}  // namespace meshdns::dns
