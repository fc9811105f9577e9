#include "resolver/app/known_names.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/app/settings.h"

namespace meshdns::dns {

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys;
  for (const Setting& setting : settings()) {
    const auto section = setting.key.substr(0, setting.key.find('.'));
    if (section != setting.key && std::ranges::find(keys, section) == keys.end()) {
      keys.push_back(section);
    }
    keys.push_back(setting.key);
  }
  return keys;
}

std::vector<std::string_view> keys_of_section(std::string_view section) {
  std::vector<std::string_view> keys;
  for (const Setting& setting : settings()) {
    if (setting.key.size() > section.size() && setting.key.starts_with(section) &&
        setting.key[section.size()] == '.') {
      keys.push_back(setting.key.substr(section.size() + 1));
    }
  }
  return keys;
}

std::vector<std::string> known_variables() {
  std::vector<std::string> names{std::string(kConfigVariable)};
  for (const Setting& setting : settings()) {
    names.push_back(environment_name(setting.key));
  }
  return names;
}

bool is_variable_of_others(std::string_view name) {
  constexpr std::array<std::string_view, 4> kPrefixes{"MESHDNS_CP_", "MESHDNS_SERVICE_HOST",
                                                      "MESHDNS_SERVICE_PORT", "MESHDNS_PORT_"};
  return name == "MESHDNS_PORT" || std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
           return name.starts_with(prefix);
         });
}

}  // namespace meshdns::dns
