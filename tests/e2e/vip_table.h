// What the resolver's /vips says to whoever listens on virtual addresses.
#pragma once

#include <cstdint>
#include <string>

#include "base/ip_address.h"
#include "tests/support/programs.h"

namespace meshdns::e2e {

struct VipListener {
  IpAddress address;
  std::uint16_t port = 0;
};

// The first port of a service's IPv4 address; throws std::runtime_error when it is not listed.
[[nodiscard]] VipListener vip_listener(const support::ResolverProgram& resolver,
                                       const std::string& service);

}  // namespace meshdns::e2e
