#include "resolver/app/config_loader.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/app/config_yaml.h"
#include "resolver/app/setting_text.h"
#include "resolver/app/settings.h"

extern char**
    environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program.

namespace meshdns::dns {
namespace {

constexpr std::string_view kEnvironmentPrefix = "MESHDNS_";
// Read by other parts of the program, not settings.
constexpr std::array<std::string_view, 1> kOtherVariables{"MESHDNS_CONFIG"};
constexpr std::size_t kMaxErrors = 100;
constexpr std::size_t kHostNameBytes = 256;

// How many single-octet edits turn one word into the other.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = i;
  }
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replace = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// The known key that the writer probably meant.
std::string nearest_key(std::string_view key) {
  constexpr std::size_t kMaxEdits = 3;
  std::string_view best;
  std::size_t best_distance = kMaxEdits + 1;
  for (const Setting& setting : settings()) {
    const std::size_t distance = edit_distance(key, setting.key);
    if (distance < best_distance && distance < setting.key.size() / 2) {
      best = setting.key;
      best_distance = distance;
    }
  }
  return std::string(best);
}

// The keys of a section without its name, or nothing when there is no such section.
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

std::string describe_value(const Setting& setting) {
  return setting.shape == SettingShape::kList ? fmt::format("a list: [{}]", setting.value)
                                              : std::string(setting.value);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Applies sources to a LoadedConfig, weakest first.
class Merger {
 public:
  explicit Merger(LoadedConfig& loaded) : loaded_(loaded) {}

  void apply_file(std::string_view text, std::string_view path) {
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

  void apply_environment(const ConfigSources& sources) {
    for (const Setting& setting : settings()) {
      const std::string name = environment_name(setting.key);
      const auto value = sources.environment ? sources.environment(name) : std::nullopt;
      if (value) {
        apply_texts(setting,
                    setting.shape == SettingShape::kList ? split(*value, ',') : std::vector{*value},
                    name);
      }
    }
    for (const std::string& name : sources.environment_names) {
      const bool known = std::ranges::find(kOtherVariables, name) != kOtherVariables.end() ||
                         std::ranges::any_of(settings(), [&name](const Setting& setting) {
                           return environment_name(setting.key) == name;
                         });
      if (!known) {
        report(name, "", "is no known variable (see `meshdns run --help`, or unset it)");
      }
    }
  }

  void apply_flags(const ConfigSources& sources) {
    for (const auto& [key, texts] : sources.flags) {
      const Setting* const setting = find_setting(key);
      if (setting != nullptr) {
        apply_texts(*setting, texts, std::string(setting->flag));
      }
    }
  }

  // Fills what depends on other settings and checks what concerns more than one.
  void finish(const ConfigSources& sources);

 private:
  static std::string at(std::string_view path, int line) {
    return fmt::format("{}:{}", path, std::max(line, 1));
  }

  void report(const std::string& where, std::string_view key, const std::string& reason) {
    if (loaded_.errors.size() < kMaxErrors) {
      loaded_.errors.push_back(
          fmt::format("{}: {}{}{}", where, key, key.empty() ? "" : ": ", reason));
    }
  }

  // About the value that a key ended up with, wherever it comes from.
  void report_key(std::string_view key, const std::string& reason) {
    const auto origin = loaded_.origins.find(key);
    const std::string where = origin == loaded_.origins.end() ? "defaults" : origin->second;
    report(where, key, reason);
  }

  // False when what lies below the entry must not be looked at.
  bool apply_entry(const YamlEntry& entry, std::string_view path) {
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

  bool apply_section(const YamlEntry& entry, const std::string& where) {
    const auto keys = keys_of_section(entry.key);
    if (keys.empty()) {
      const std::string near = nearest_key(entry.key);
      report(where, entry.key,
             near.empty() ? "is no known key (remove it)"
                          : fmt::format("is no known key (did you mean {}?)", near));
      return false;
    }
    if (entry.shape != YamlShape::kSection) {
      report(where, entry.key,
             fmt::format("is a section (write keys below it: {})", fmt::join(keys, ", ")));
    }
    return true;
  }

  void apply_texts(const Setting& setting, const std::vector<std::string>& texts,
                   const std::string& where) {
    start(setting, where);
    for (const std::string& text : texts) {
      add(setting, text, where, "");
    }
  }

  void start(const Setting& setting, const std::string& where) {
    loaded_.origins.insert_or_assign(std::string(setting.key), where);
    if (setting.clear != nullptr) {
      setting.clear(loaded_.config);
    }
  }

  void add(const Setting& setting, const std::string& text, const std::string& where,
           std::string_view key) {
    const auto added = setting.add(loaded_.config, text);
    if (!added) {
      report(where, key, added.error().message);
    }
  }

  void check_addresses();

  LoadedConfig& loaded_;
};

std::string variable(const ConfigSources& sources, const std::string& name) {
  return sources.environment ? sources.environment(name).value_or("") : "";
}

// /var/lib for root, else the user's own place (XDG Base Directory Specification).
std::string default_state_directory(const ConfigSources& sources, const std::string& instance) {
  if (sources.is_root) {
    return "/var/lib/meshdns/" + instance;
  }
  const std::string state_home = variable(sources, "XDG_STATE_HOME");
  if (state_home.starts_with('/')) {
    return fmt::format("{}/meshdns/{}", state_home, instance);
  }
  const std::string home = variable(sources, "HOME");
  return fmt::format("{}/.local/state/meshdns/{}", home.starts_with('/') ? home : "/tmp", instance);
}

std::string host_name() {
  std::array<char, kHostNameBytes> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) {
    return "localhost";
  }
  const auto word = parse_word(buffer.data(), buffer.size());
  return word ? *word : "localhost";
}

void Merger::finish(const ConfigSources& sources) {
  Config& config = loaded_.config;
  if (config.state.directory.empty()) {
    config.state.directory = default_state_directory(sources, config.instance);
  }
  if (!config.state.policy) {
    config.state.policy =
        config.mode == Mode::kVm ? StatePolicy::kRequired : StatePolicy::kBestEffort;
  }
  if (config.control_plane.node.empty()) {
    config.control_plane.node = host_name();
  }
  if (config.vip.quarantine < config.ttl) {
    report_key("vip.quarantine",
               fmt::format("is shorter than ttl (write at least {}: clients keep an address so "
                           "long)",
                           print_duration(config.ttl)));
  }
  if (config.zones.empty()) {
    report_key("zones", "is empty (write at least one zone, such as [mesh])");
  }
  check_addresses();
}

void Merger::check_addresses() {
  const Config& config = loaded_.config;
  if (config.listen.empty()) {
    report_key("listen", "is empty (write at least one ADDRESS:PORT)");
  }
  for (const SocketAddress& server : config.upstreams.servers) {
    if (server.port == 0 || server.ip.is_unspecified()) {
      report_key("upstreams.servers",
                 fmt::format("{} is no place to send to (write the server's address and port)",
                             server.to_string()));
    }
  }
  const auto control_plane = SocketAddress::parse(config.control_plane.address);
  if (control_plane && (control_plane->port == 0 || control_plane->ip.is_unspecified())) {
    report_key("control_plane.address",
               fmt::format("{} is no place to connect to (write the control plane's address and "
                           "port)",
                           control_plane->to_string()));
  }
}

// A scalar that YAML reads back as the same text.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    result += c;
  }
  return result + "\"";
}

}  // namespace

ConfigSources process_sources() {
  ConfigSources sources;
  sources.environment = [](const std::string& name) -> std::optional<std::string> {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets the environment.
    const char* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with(kEnvironmentPrefix)) {
      sources.environment_names.emplace_back(text.substr(0, text.find('=')));
    }
  }
  sources.is_root = ::geteuid() == 0;
  return sources;
}

LoadedConfig load_config(const ConfigSources& sources, FileSystem& files) {
  LoadedConfig loaded;
  Merger merger(loaded);
  const std::string path = sources.path.empty() ? std::string(kDefaultConfigPath) : sources.path;
  const auto text = read_file(files, path, kMaxConfigBytes);
  if (text) {
    merger.apply_file(*text, path);
  } else if (!sources.path.empty() || text.error().code != ErrorCode::kNotFound) {
    loaded.errors.push_back(text.error().message);
    loaded.error_code = text.error().code;
    return loaded;
  }
  merger.apply_environment(sources);
  merger.apply_flags(sources);
  merger.finish(sources);
  return loaded;
}

LoadedConfig parse_config(std::string_view text, std::string_view path) {
  LoadedConfig loaded;
  Merger merger(loaded);
  merger.apply_file(text, path);
  merger.finish({});
  return loaded;
}

std::string print_config(const LoadedConfig& loaded) {
  std::string out;
  std::string open_section;
  for (const Setting& setting : settings()) {
    const std::size_t dot = setting.key.find('.');
    const std::string section(dot == std::string_view::npos ? "" : setting.key.substr(0, dot));
    if (section != open_section && !section.empty()) {
      out += section + ":\n";
    }
    open_section = section;
    std::vector<std::string> texts = setting.print(loaded.config);
    std::ranges::transform(texts, texts.begin(), quoted);
    const auto origin = loaded.origins.find(setting.key);
    out += fmt::format("{}{}: {}  # {}\n", section.empty() ? "" : "  ",
                       section.empty() ? setting.key : setting.key.substr(dot + 1),
                       setting.shape == SettingShape::kList
                           ? fmt::format("[{}]", fmt::join(texts, ", "))
                           : texts.front(),
                       origin == loaded.origins.end() ? "default" : escape_name(origin->second));
  }
  return out;
}

}  // namespace meshdns::dns
