// The verb `vip`: the virtual IPs that a running resolver has given, read from its admin HTTP.
#pragma once

#include <string>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {

// One line per service, under a heading: service, hostnames, addresses, status, ports. `service`:
// only this one; empty: all. A service without an address has a status that says why. kNetwork when
// nobody answers at `admin`, or somebody else than meshdns does; kNotFound when `service` is not
// there. Blocks for at most 10 seconds.
[[nodiscard]] Result<std::string> list_vips(const SocketAddress& admin, const std::string& service);

// The same of the text of /vips. kCorrupt when it is no such text.
[[nodiscard]] Result<std::string> print_vips(const std::string& json, const std::string& service);

}  // namespace meshdns::dns
