// ConfigMerger: applies the sources of a configuration to one LoadedConfig, weakest first, and
// reports what is wrong with each. Knows no defaults that follow from other settings; see
// config_loader.cc.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/app/config_loader.h"
#include "resolver/app/config_yaml.h"
#include "resolver/app/settings.h"

namespace meshdns::dns {

class ConfigMerger {
 public:
  // `loaded` outlives the merger.
  explicit ConfigMerger(LoadedConfig& loaded) : loaded_(loaded) {}

  void apply_file(std::string_view text, std::string_view path);
  // What kuma-dp's variables say, where anything says that the control plane is Kuma's. Before
  // apply_environment().
  void apply_kuma_environment(const ConfigSources& sources);
  void apply_environment(const ConfigSources& sources);
  void apply_flags(const ConfigSources& sources);

  // About the value that a key ended up with, wherever it comes from. Says nothing when one of its
  // texts was refused already.
  void report_key(std::string_view key, const std::string& reason);

 private:
  void report(const std::string& where, std::string_view key, const std::string& reason);
  // False when what lies below the entry must not be looked at.
  bool apply_entry(const YamlEntry& entry, std::string_view path);
  bool apply_section(const YamlEntry& entry, const std::string& where);
  void apply_texts(const Setting& setting, const std::vector<std::string>& texts,
                   const std::string& where);
  void start(const Setting& setting, const std::string& where);
  void add(const Setting& setting, const std::string& text, const std::string& where,
           std::string_view key);

  LoadedConfig& loaded_;
  std::set<std::string_view> refused_;  // keys with a text that means nothing
};

}  // namespace meshdns::dns
