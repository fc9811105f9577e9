// OwnerKey: by what the snapshot builder knows a service, a record or an instance, and what reports
// call it.
#pragma once

#include <string>
#include <string_view>

#include "discovery/service.h"

namespace meshdns::dns {

[[nodiscard]] std::string service_key(const discovery::ServiceId& id);
// The same for all spellings of a name; of what is no name, one that has none.
[[nodiscard]] std::string record_key(std::string_view name);
[[nodiscard]] std::string instance_key(const discovery::ServiceId& service, std::string_view name);

// "MESH/NAME", "record NAME" in small letters or "instance NAME of MESH/NAME".
[[nodiscard]] std::string owner_label(std::string_view key);

}  // namespace meshdns::dns
