// A configuration as text, for `meshdns check` and /config.
#pragma once

#include <string>

#include "resolver/app/config_loader.h"

namespace meshdns::dns {

// The whole configuration as YAML that parse_config() reads back to the same, each key with a
// comment that says where it comes from.
[[nodiscard]] std::string print_config(const LoadedConfig& loaded);

}  // namespace meshdns::dns
