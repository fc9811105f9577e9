#include "base/state_directory.h"

#include <string>

#include <fmt/format.h>

namespace meshdns {

std::string default_state_directory(const std::string& name, bool is_root,
                                    const EnvironmentReader& environment) {
  if (is_root) {
    return "/var/lib/" + name;
  }
  const auto folder = [&](const std::string& variable) {
    const std::string value = environment ? environment(variable).value_or("") : "";
    return value.starts_with('/') ? value : "";
  };
  if (const std::string state_home = folder("XDG_STATE_HOME"); !state_home.empty()) {
    return fmt::format("{}/{}", state_home, name);
  }
  const std::string home = folder("HOME");
  return fmt::format("{}/.local/state/{}", home.empty() ? "/tmp" : home, name);
}

}  // namespace meshdns
