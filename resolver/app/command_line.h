// The command line of `meshdns`: verbs, flags and --help.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "resolver/app/config_loader.h"
#include "resolver/app/exit_code.h"
#include "resolver/app/query.h"

namespace meshdns::dns {

enum class Verb : std::uint8_t { kRun, kCheck, kQuery, kVip, kVersion };

struct Command {
  Verb verb = Verb::kRun;
  ConfigSources sources;
  std::string port_file;  // run
  QueryOptions query;     // query; an empty server: the first listen address of the configuration
  std::string service;    // vip; empty: every service
};

// What is to be done, or the exit code after --help or an error has been printed. Each setting of
// settings() is a flag of every verb that reads the configuration, so that what a flag means for
// `run` can be tried with `check`.
[[nodiscard]] std::variant<Command, ExitCode> parse_command_line(int argc, const char* const* argv);

}  // namespace meshdns::dns
