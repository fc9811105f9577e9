#include "resolver/app/config_merger.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/config_yaml.h"
#include "resolver/app/known_names.h"
#include "resolver/app/kuma_settings.h"
#include "resolver/app/settings.h"
#include "resolver/app/spelling.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kKumaKey = "kuma.cp_addresses";
constexpr std::string_view kSocketKey = "kuma.dynamicconfig_socket";

// With more the first ones are what helps.
constexpr std::size_t kMaxErrors = 100;

std::string at(std::string_view path, int line) {
  return fmt::format("{}:{}", escape_text(path), std::max(line, 1));
}

std::string describe_value(const Setting& setting) {
  return setting.shape == SettingShape::kList ? fmt::format("a list: [{}]", setting.value)
                                              : std::string(setting.value);
}

// The items of a list in the environment: between commas, blanks around them ignored.
std::vector<std::string> split_list(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, end);
    item.remove_prefix(std::min(item.find_first_not_of(kBlanks), item.size()));
    items.emplace_back(item.substr(0, item.find_last_not_of(kBlanks) + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

}  // namespace

void ConfigMerger::apply_file(std::string_view text, std::string_view path) {
  const YamlSettings yaml = parse_config_yaml(text);
  for (const YamlProblem& problem : yaml.problems) {
    report(at(path, problem.line), problem.key, problem.reason);
  }
  std::string skipped_section;  // reported as a whole; what it holds is not
  for (const YamlEntry& entry : yaml.entries) {
    if (!skipped_section.empty() && entry.key.starts_with(skipped_section)) {
      continue;
    }
    skipped_section.clear();
    if (!apply_entry(entry, path)) {
      skipped_section = entry.key + ".";
    }
  }
}

void ConfigMerger::apply_kuma_environment(const ConfigSources& sources) {
  // kuma-dp takes an empty variable for one that is not set.
  const auto value_of = [&](std::string_view name) {
    return sources.environment ? sources.environment(std::string(name)).value_or("")
                               : std::string();
  };
  const auto is_given = [&](std::string_view key) {
    return !value_of(environment_name(key)).empty() ||
           std::ranges::any_of(sources.flags, [&](const auto& flag) { return flag.first == key; });
  };
  // Beside a kuma-dp these are that one's.
  if (loaded_.config.uses_kuma_socket() || is_given(kSocketKey)) {
    return;
  }
  if (!loaded_.config.uses_kuma() && !is_given(kKumaKey) &&
      value_of("KUMA_CONTROL_PLANE_URL").empty()) {
    return;
  }
  for (const KumaVariable& variable : kuma_variables()) {
    const Setting* const setting = find_setting(variable.key);
    std::string value = value_of(variable.name);
    if (setting != nullptr && !value.empty()) {
      if (value != "0") {  // kuma-dp's word for none, which is no setting of ours
        value.insert(0, variable.prefix);
      }
      apply_texts(*setting,
                  setting->shape == SettingShape::kList ? split_list(value) : std::vector{value},
                  std::string(variable.name));
    }
  }
}

void ConfigMerger::apply_environment(const ConfigSources& sources) {
  for (const Setting& setting : settings()) {
    const std::string name = environment_name(setting.key);
    const auto value = sources.environment ? sources.environment(name) : std::nullopt;
    if (value) {
      apply_texts(setting,
                  setting.shape == SettingShape::kList ? split_list(*value) : std::vector{*value},
                  name);
    }
  }
  const std::vector<std::string> known = known_variables();
  const std::vector<std::string_view> words(known.begin(), known.end());
  for (const std::string& name : sources.environment_names) {
    if (!is_variable_of_others(name) && std::ranges::find(known, name) == known.end()) {
      report(escape_name(name), "",
             "is no known variable" + suggestion(name, words, "see the settings, or unset it"));
    }
  }
}

void ConfigMerger::apply_flags(const ConfigSources& sources) {
  for (const auto& [key, texts] : sources.flags) {
    const Setting* const setting = find_setting(key);
    if (setting != nullptr) {
      apply_texts(*setting, texts, std::string(setting->flag));
    }
  }
}

void ConfigMerger::report(const std::string& where, std::string_view key,
                          const std::string& reason) {
  if (loaded_.errors.size() < kMaxErrors) {
    loaded_.errors.push_back(
        fmt::format("{}: {}{}{}", where, key, key.empty() ? "" : ": ", reason));
  }
}

void ConfigMerger::report_key(std::string_view key, const std::string& reason) {
  if (refused_.contains(key)) {
    return;
  }
  const auto origin = loaded_.origins.find(key);
  const std::string where = origin == loaded_.origins.end() ? "defaults" : origin->second;
  report(where, key, reason);
}

bool ConfigMerger::apply_entry(const YamlEntry& entry, std::string_view path) {
  const std::string where = at(path, entry.line);
  const Setting* const setting = find_setting(entry.key);
  if (setting == nullptr) {
    return apply_section(entry, where);
  }
  if (entry.shape == YamlShape::kEmpty) {
    report(where, entry.key,
           fmt::format("has no value (write {}, or remove the key)", describe_value(*setting)));
    return true;
  }
  const YamlShape want =
      setting->shape == SettingShape::kList ? YamlShape::kList : YamlShape::kText;
  if (entry.shape != want) {
    report(where, entry.key,
           fmt::format("has the wrong shape (write {})", describe_value(*setting)));
    return false;
  }
  start(*setting, where);
  for (const YamlText& item : entry.items) {
    add(*setting, item.text, at(path, item.line), entry.key);
  }
  return true;
}

bool ConfigMerger::apply_section(const YamlEntry& entry, const std::string& where) {
  const auto keys = keys_of_section(entry.key);
  if (keys.empty()) {
    report(where, entry.key, "is no known key" + suggestion(entry.key, known_keys(), "remove it"));
    return false;
  }
  if (entry.shape != YamlShape::kSection) {
    report(where, entry.key,
           fmt::format("is a section (write keys below it: {})", fmt::join(keys, ", ")));
  }
  return true;
}

void ConfigMerger::apply_texts(const Setting& setting, const std::vector<std::string>& texts,
                               const std::string& where) {
  start(setting, where);
  for (const std::string& text : texts) {
    add(setting, text, where, "");
  }
}

void ConfigMerger::start(const Setting& setting, const std::string& where) {
  loaded_.origins.insert_or_assign(std::string(setting.key), where);
  if (setting.clear != nullptr) {
    setting.clear(loaded_.config);
  }
}

void ConfigMerger::add(const Setting& setting, const std::string& text, const std::string& where,
                       std::string_view key) {
  const auto added = setting.add(loaded_.config, text);
  if (!added) {
    refused_.insert(setting.key);
    report(where, key, added.error().message);
  }
}

}  // namespace meshdns::dns
