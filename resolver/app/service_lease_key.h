// Under which key a service's lease is kept, and the way back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "discovery/service.h"

namespace meshdns::dns {

[[nodiscard]] std::string service_lease_key(const discovery::ServiceId& id);

// The service whose key it is; nothing for any other key.
[[nodiscard]] std::optional<discovery::ServiceId> service_of_lease_key(std::string_view key);

}  // namespace meshdns::dns
