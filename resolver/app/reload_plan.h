// What a reload may change in a running program, and what has to wait for a restart.
#pragma once

#include <string>
#include <vector>

#include "resolver/app/config_loader.h"

namespace meshdns::dns {

struct ReloadPlan {
  LoadedConfig next;                       // what the program runs by after the reload
  std::vector<std::string> needs_restart;  // keys that were changed and stay as they were
};

// `loaded` has no errors.
[[nodiscard]] ReloadPlan plan_reload(const LoadedConfig& running, LoadedConfig loaded);

}  // namespace meshdns::dns
