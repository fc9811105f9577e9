#include "resolver/app/command_line.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>

#include "resolver/app/config_loader.h"
#include "resolver/app/exit_code.h"
#include "resolver/app/settings.h"

namespace meshdns::dns {
namespace {

constexpr const char* kExamples = R"(examples:
  meshdns run --control-plane 127.0.0.1:5678 --state-dir /var/lib/meshdns/default
  meshdns run --config /etc/meshdns/meshdns.yaml --log-level debug
  meshdns run --listen 127.0.0.1:53 --upstream 192.0.2.53 --upstream 192.0.2.54
  meshdns check --config /etc/meshdns/meshdns.yaml
  meshdns query web.mesh AAAA
  meshdns vip web

Each flag is also a key of the file and an environment variable: --vip-ipv4-pool is vip.ipv4_pool
and MESHDNS_VIP_IPV4_POOL. `meshdns VERB --help` lists the flags of a verb.)";

// The texts that one verb's flags got, by setting key.
using Flags = std::map<std::string_view, std::vector<std::string>>;

void add_settings(CLI::App& verb, std::string& config_path, Flags& flags) {
  verb.add_option("--config", config_path, "the configuration file (MESHDNS_CONFIG)")
      ->option_text("FILE [" + std::string(kDefaultConfigPath) + ", if it is there]")
      ->envname("MESHDNS_CONFIG");
  for (const Setting& setting : settings()) {
    CLI::Option* const option =
        verb.add_option(std::string(setting.flag), flags[setting.key], std::string(setting.help));
    // An empty text is a value too: `--zone ""`.
    option->option_text(std::string(setting.value) +
                        (setting.shape == SettingShape::kList ? " ..." : ""));
    option->allow_extra_args(false);
    option->multi_option_policy(setting.shape == SettingShape::kList
                                    ? CLI::MultiOptionPolicy::TakeAll
                                    : CLI::MultiOptionPolicy::Throw);
    if (setting.shape == SettingShape::kText) {
      option->expected(1);
    }
    option->group("Settings");
  }
}

// Flags in the order of settings(): a list's items stand in the order of the command line.
void take_flags(const Flags& flags, ConfigSources& sources) {
  for (const Setting& setting : settings()) {
    const auto& texts = flags.at(setting.key);
    if (!texts.empty()) {
      sources.flags.emplace_back(setting.key, texts);
    }
  }
}

}  // namespace

std::variant<Command, ExitCode> parse_command_line(int argc, const char* const* argv) {
  Command command;
  command.sources = process_sources();
  Flags flags;

  CLI::App app("meshdns: answers the names of a service mesh, and forwards all others.", "meshdns");
  app.require_subcommand(1);
  app.footer(kExamples);

  CLI::App* const run = app.add_subcommand("run", "serve DNS until SIGTERM; SIGHUP reloads");
  add_settings(*run, command.sources.path, flags);
  run->add_option("--port-file", command.port_file,
                  R"(write the ports taken to this file, as {"dns":N,"admin":N})")
      ->option_text("FILE");

  CLI::App* const check =
      app.add_subcommand("check", "read the configuration as run does, print it, exit 1 on errors");
  add_settings(*check, command.sources.path, flags);

  CLI::App* const query = app.add_subcommand("query", "ask a resolver, this one by default");
  query->add_option("name", command.query.name, "a name, or an address for its PTR")
      ->required()
      ->option_text("NAME");
  query->add_option("type", command.query.type, "A, AAAA, PTR, SOA, ...")->option_text("[TYPE]");
  query->add_option("--server", command.query.server, "the first listen address by default")
      ->option_text("ADDRESS:PORT");
  query->add_flag("--tcp", command.query.tcp, "over TCP from the start");
  query->add_option("--timeout", command.query.timeout, "how long to wait for each of two tries")
      ->option_text("DURATION [2s]");
  add_settings(*query, command.sources.path, flags);

  CLI::App* const vip = app.add_subcommand("vip", "list the virtual IPs of the running resolver");
  vip->add_option("service", command.service, "this one alone")->option_text("[SERVICE]");
  add_settings(*vip, command.sources.path, flags);

  CLI::App* const version = app.add_subcommand("version", "print the version and how it was built");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::kSuccess : ExitCode::kConfiguration;
  }
  take_flags(flags, command.sources);
  for (const auto& [parsed, verb] :
       {std::pair{run, Verb::kRun}, std::pair{check, Verb::kCheck}, std::pair{query, Verb::kQuery},
        std::pair{vip, Verb::kVip}, std::pair{version, Verb::kVersion}}) {
    if (*parsed) {
      command.verb = verb;
    }
  }
  return command;
}

}  // namespace meshdns::dns
