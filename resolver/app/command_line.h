// The command line of `meshdns`: verbs, flags and --help.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/exit_code.h"
#include "resolver/app/cache_command.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/query.h"
#include "resolver/app/upstream_command.h"
#include "resolver/app/vip_command.h"

namespace meshdns::dns {

enum class Verb : std::uint8_t { kRun, kCheck, kQuery, kVip, kCache, kUpstream, kVersion };

struct Command {
  Verb verb = Verb::kRun;
  ConfigSources sources;   // of this process, with the path and the flags that were given
  std::string port_file;   // run
  bool supervise = true;   // run
  bool take_over = false;  // run
  QueryOptions query;      // query; an empty server: the first listen address of the configuration
  VipCommand vip;          // vip
  CacheCommand cache;      // cache
  UpstreamCommand upstream;  // upstream
};

// What is to be done, or the exit code after --help, --version or an error has been printed; an
// error goes to standard error and says what to write instead. Every setting of settings() is a
// flag of `run` and of `check`, so that what a flag means for one can be tried with the other.
[[nodiscard]] std::variant<Command, ExitCode> parse_command_line(int argc, const char* const* argv);

// "meshdns VERSION (BUILD, COMPILER)".
[[nodiscard]] std::string version_text();

}  // namespace meshdns::dns
