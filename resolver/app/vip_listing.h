// The virtual IPs that a running resolver has given, read from its admin HTTP.
#pragma once

#include <string>

#include "base/result.h"
#include "resolver/app/admin_client.h"

namespace meshdns::dns {

// One line per service, under a heading: service, hostnames, addresses, status, ports. `service`:
// only this one; empty: all. A service without an address has a status that says why. The errors of
// ask_admin(), kNetwork also when somebody else than meshdns answers at `admin`; kNotFound when
// `service` is not there. Blocks for at most 10 seconds.
[[nodiscard]] Result<std::string> list_vips(const AdminAddress& admin, const std::string& service);

// The same of the text of /vips. kCorrupt when it is no such text.
[[nodiscard]] Result<std::string> print_vips(const std::string& json, const std::string& service);

}  // namespace meshdns::dns
