// From flags, environment and file to one checked Config.
//
// Precedence, per key: flag > environment (MESHDNS_*) > file > default; a list is replaced as a
// whole, never joined. Every error of every source is reported, each with where it stands.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/state_directory.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

inline constexpr std::string_view kDefaultConfigPath = "/etc/meshdns/meshdns.yaml";

struct ConfigSources {
  // Empty: kDefaultConfigPath, which may be missing. A file that was asked for may not.
  std::string path;
  EnvironmentReader environment;
  // Names of all environment variables that start with MESHDNS_, so that a misspelt one shows.
  std::vector<std::string> environment_names;
  // Setting key and its texts, in the order of the command line.
  std::vector<std::pair<std::string, std::vector<std::string>>> flags;
  // Chooses the default state folder: root's is /var/lib/meshdns.
  bool is_root = false;
};

// The environment of this process and its user, without path and flags.
[[nodiscard]] ConfigSources process_sources();

struct LoadedConfig {
  Config config;
  // Where each key that is not a default was set: "/etc/meshdns/meshdns.yaml:7",
  // "MESHDNS_TTL", "--ttl".
  std::map<std::string, std::string, std::less<>> origins;
  // Empty: the configuration may be used.
  // "path:line: key.path: reason (what to write instead)", or "MESHDNS_TTL: ..." or "--ttl: ...".
  // Each is one line that may be logged or shown as it is.
  std::vector<std::string> errors;
  // kInvalidArgument, unless the file itself could not be read (missing, forbidden, a folder).
  ErrorCode error_code = ErrorCode::kInvalidArgument;
  std::size_t file_octets = 0;  // 0: there was no file, or nothing in it
};

[[nodiscard]] LoadedConfig load_config(const ConfigSources& sources, FileSystem& files);

// The same for a program that runs with `running`. A file that has gone or is empty since then is
// an error: it is being written, and all defaults are hardly what is meant.
[[nodiscard]] LoadedConfig load_config_again(const ConfigSources& sources, FileSystem& files,
                                             const LoadedConfig& running);

// The file alone: what its text says on top of the defaults. `path` is only for messages.
[[nodiscard]] LoadedConfig parse_config(std::string_view text, std::string_view path);

}  // namespace meshdns::dns
