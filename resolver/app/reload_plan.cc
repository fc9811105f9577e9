#include "resolver/app/reload_plan.h"

#include <string>
#include <utility>

#include "resolver/app/config_loader.h"
#include "resolver/app/settings.h"

namespace meshdns::dns {
namespace {

// Gives `setting` in `to` the value and the origin that it has in `from`.
void carry_over(const Setting& setting, const LoadedConfig& from, LoadedConfig& to) {
  if (setting.clear != nullptr) {
    setting.clear(to.config);
  }
  for (const std::string& text : setting.print(from.config)) {
    // What was printed is what was accepted.
    static_cast<void>(setting.add(to.config, text));
  }
  to.origins.erase(std::string(setting.key));
  if (const auto origin = from.origins.find(setting.key); origin != from.origins.end()) {
    to.origins.insert(*origin);
  }
}

bool is_set(const Setting& setting, const LoadedConfig& in) {
  return in.origins.contains(setting.key);
}

}  // namespace

ReloadPlan plan_reload(const LoadedConfig& running, LoadedConfig loaded) {
  ReloadPlan plan{.next = std::move(loaded), .needs_restart = {}};
  for (const Setting& setting : settings()) {
    if (setting.scope != SettingScope::kRestart ||
        setting.print(running.config) == setting.print(plan.next.config)) {
      continue;
    }
    // A default that follows from another key, or from the host, is nobody's change.
    if (is_set(setting, running) || is_set(setting, plan.next)) {
      plan.needs_restart.emplace_back(setting.key);
    }
    carry_over(setting, running, plan.next);
  }
  return plan;
}

}  // namespace meshdns::dns
