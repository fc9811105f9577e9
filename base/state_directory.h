// Where a program keeps its state when nobody says where.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace meshdns {

// The value of an environment variable. Unset is nothing.
using EnvironmentReader = std::function<std::optional<std::string>(const std::string& name)>;

// /var/lib/NAME for root, else NAME below $XDG_STATE_HOME, else below $HOME/.local/state (XDG Base
// Directory Specification), else below /tmp. Relative values of the variables do not count. `name`
// may have several parts.
[[nodiscard]] std::string default_state_directory(const std::string& name, bool is_root,
                                                  const EnvironmentReader& environment);

}  // namespace meshdns
