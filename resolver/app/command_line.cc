#include "resolver/app/command_line.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/build_info.h"
#include "base/exit_code.h"
#include "base/log.h"
#include "resolver/app/cache_command.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/query.h"
#include "resolver/app/settings.h"
#include "resolver/app/spelling.h"
#include "resolver/app/upstream_command.h"
#include "resolver/app/vip_command.h"

namespace meshdns::dns {
namespace {

struct VerbText {
  Verb verb;
  std::string_view name;
  std::string_view description;
  std::string_view footer;
};

constexpr std::string_view kFooter = R"(examples:
  meshdns run --control-plane 127.0.0.1:5678 --state-dir /var/lib/meshdns/default
  meshdns check --config /etc/meshdns/meshdns.yaml
  meshdns query web.mesh AAAA
  meshdns vip show web
  meshdns cache stat
  meshdns upstream list

`meshdns VERB --help` lists the flags of a verb. Exit codes: 0 success, 1 configuration, 2 network,
3 file or permission, 4 memory, 5 other.)";

// Each footer ends with what all settings share where the verb has them.
constexpr std::array<VerbText, 7> kVerbs{{
    {Verb::kRun, "run", "serve DNS until SIGTERM; SIGHUP reloads the configuration",
     R"(examples:
  meshdns run
  meshdns run --control-plane 127.0.0.1:5678 --state-dir /var/lib/meshdns/default
  meshdns run --config /etc/meshdns/meshdns.yaml --log-level debug
  meshdns run --listen 127.0.0.1:53 --upstream 192.0.2.53 --upstream 192.0.2.54
  meshdns run --zone-file /etc/meshdns/corp.zone --hosts-file /etc/hosts

Each setting is also a key of the file and an environment variable: --vip-ipv4-pool is
vip.ipv4_pool and MESHDNS_VIP_IPV4_POOL. A flag beats the environment, which beats the file.)"},
    {Verb::kCheck, "check", "read the configuration as run does and print it; exit 1 on errors",
     R"(examples:
  meshdns check
  meshdns check --config /etc/meshdns/meshdns.yaml && systemctl reload meshdns
  MESHDNS_TTL=10s meshdns check --upstream 192.0.2.53

What it prints is a configuration file, each line with where its value comes from.)"},
    {Verb::kQuery, "query", "ask a resolver, this one by default",
     R"(examples:
  meshdns query web.mesh
  meshdns query web.mesh AAAA --tcp
  meshdns query 244.0.0.7
  meshdns query example.org MX --server 192.0.2.53 --timeout 500ms)"},
    {Verb::kVip, "vip", "list, show, release, pin or import virtual IPs",
     R"(examples:
  meshdns vip list
  meshdns vip show web
  meshdns vip release web
  meshdns vip pin web 244.0.0.7
  meshdns vip import addresses.json

They act on the resolver that runs on the state folder (by STATE/admin.sock), or on the folder when
none does. What changes something is on disk when it says that it is done.)"},
    {Verb::kCache, "cache", "show or clear what is kept of upstream's answers",
     R"(examples:
  meshdns cache stat
  meshdns cache lookup www.example.org
  meshdns cache flush www.example.org
  meshdns cache flush example.org --below
  meshdns cache dump

They act on the resolver that runs on the state folder (by STATE/admin.sock).)"},
    {Verb::kUpstream, "upstream", "show or try the servers that other names are forwarded to",
     R"(examples:
  meshdns upstream list
  meshdns upstream test
  meshdns upstream test www.example.org AAAA --upstream tls://192.0.2.1#dns.example.org

`list` asks the resolver that runs on the state folder (by STATE/admin.sock); `test` asks the servers
of the configuration themselves.)"},
    {Verb::kVersion, "version", "print the version and how it was built",
     R"(example:
  meshdns version)"},
}};

struct VipText {
  VipAction action;
  std::string_view name;
  std::string_view description;
  std::string_view footer;
};

constexpr std::array<VipText, 5> kVipActions{{
    {VipAction::kList, "list", "a line for each virtual IP",
     R"(examples:
  meshdns vip list
  meshdns vip list --admin 127.0.0.1:19153)"},
    {VipAction::kShow, "show", "the line of one service",
     R"(examples:
  meshdns vip show web)"},
    {VipAction::kRelease, "release", "quarantine the address of a name that no service bears",
     R"(examples:
  meshdns vip release web
  meshdns vip release other-mesh/web)"},
    {VipAction::kPin, "pin", "give a service without an address this one",
     R"(examples:
  meshdns vip pin web 244.0.0.7
  meshdns vip pin web 244.0.0.7 --force

With --force a service loses the address it has, which is quarantined.)"},
    {VipAction::kImport, "import", "take over the addresses that a mesh has, all or none",
     R"(examples:
  meshdns vip import addresses.json

FILE is JSON: {"web": "244.0.0.7", "cache": ["244.0.0.8", "fd6d:6573:6864:6e73::8"]}. Import before the first start: services that have an
address already keep it. Run it as the user that the resolver runs as.)"},
}};

struct CacheText {
  CacheAction action;
  std::string_view name;
  std::string_view description;
  std::string_view footer;
};

constexpr std::array<CacheText, 4> kCacheActions{{
    {CacheAction::kStat, "stat", "how much there is",
     R"(examples:
  meshdns cache stat)"},
    {CacheAction::kDump, "dump", "a line for each answer",
     R"(examples:
  meshdns cache dump
  meshdns cache dump --admin 127.0.0.1:19153

LEFT is in seconds, below zero when the answer is stale. TYPE * is the denial of a name.)"},
    {CacheAction::kLookup, "lookup", "what is kept of one name",
     R"(examples:
  meshdns cache lookup www.example.org)"},
    {CacheAction::kFlush, "flush", "forget a name, or everything",
     R"(examples:
  meshdns cache flush
  meshdns cache flush www.example.org
  meshdns cache flush example.org --below)"},
}};

struct UpstreamActionText {
  UpstreamAction action;
  std::string_view name;
  std::string_view description;
  std::string_view footer;
};

constexpr std::array<UpstreamActionText, 2> kUpstreamActions{{
    {UpstreamAction::kList, "list", "a line for each server in use, and the routes",
     R"(examples:
  meshdns upstream list
  meshdns upstream list --admin 127.0.0.1:19153

STATE is up, down or loop, with the seconds until it is looked at again. RTT is what its replies take,
P95 what 95 of 100 stay below. TIMEOUTS and ERRORS are of QUESTIONS sent.)"},
    {UpstreamAction::kTest, "test", "ask each server once, and print what came",
     R"(examples:
  meshdns upstream test
  meshdns upstream test www.example.org AAAA
  meshdns upstream test --config /etc/meshdns/meshdns.yaml
  meshdns upstream test --upstream 192.0.2.53 --upstream tls://192.0.2.54#dns.example.org

Exit codes: 0 when a server answered without an error, 2 when none did.)"},
}};

// The texts that the flags got, by setting key.
using Flags = std::map<std::string_view, std::vector<std::string>>;

void add_config(CLI::App& verb, std::string& path) {
  verb.add_option("--config", path, "the configuration file (MESHDNS_CONFIG)")
      ->option_text("FILE [" + std::string(kDefaultConfigPath) + ", if it is there]")
      ->envname("MESHDNS_CONFIG");
}

void add_setting(CLI::App& verb, const Setting& setting, Flags& flags) {
  const bool is_list = setting.shape == SettingShape::kList;
  CLI::Option* const option =
      verb.add_option(std::string(setting.flag), flags[setting.key], std::string(setting.help));
  option->option_text(std::string(setting.value) + (is_list ? " ..." : ""));
  option->allow_extra_args(false);
  option->multi_option_policy(is_list ? CLI::MultiOptionPolicy::TakeAll
                                      : CLI::MultiOptionPolicy::Throw);
  if (!is_list) {
    option->expected(1);  // an empty text is a value too: `--zone ""`
  }
  option->group("Settings");
}

void add_settings(CLI::App& verb, Flags& flags) {
  for (const Setting& setting : settings()) {
    add_setting(verb, setting, flags);
  }
}

void add_query(CLI::App& verb, QueryOptions& query) {
  verb.add_option("name", query.name, "a name, or an address for its PTR")
      ->required()
      ->option_text("NAME");
  verb.add_option("type", query.type, "A, AAAA, PTR, SOA, ...")->option_text("[TYPE]");
  verb.add_option("--server", query.server, "the first listen address by default")
      ->option_text("ADDRESS[:PORT]");
  verb.add_flag("--tcp", query.tcp, "over TCP from the start");
  verb.add_option("--timeout", query.timeout, "how long to wait for each of two tries")
      ->option_text("DURATION [2s]");
}

void add_vip(CLI::App& verb, const VipText& text, VipCommand& vip, std::string& config,
             Flags& flags) {
  CLI::App& action = *verb.add_subcommand(std::string(text.name), std::string(text.description));
  action.footer(std::string(text.footer));
  add_config(action, config);
  const bool is_change = text.action != VipAction::kList && text.action != VipAction::kShow;
  if (text.action == VipAction::kImport) {
    action.add_option("file", vip.file, "JSON, name to address")->required()->option_text("FILE");
  } else if (text.action != VipAction::kList) {
    action.add_option("name", vip.name, "SERVICE or MESH/SERVICE")->required()->option_text("NAME");
  }
  if (text.action == VipAction::kPin) {
    action.add_option("address", vip.address, "of a pool of this resolver")
        ->required()
        ->option_text("ADDRESS");
    action.add_flag("--force", vip.force, "also where the service has another address");
  }
  if (!is_change) {
    add_setting(action, *find_setting("admin.listen"), flags);
  }
  for (const std::string_view key : {"state.directory", "instance", "mesh", "vip.ipv4_pool",
                                     "vip.ipv6", "vip.ipv6_pool", "vip.quarantine"}) {
    add_setting(action, *find_setting(key), flags);
  }
  action.callback([&vip, action_of = text.action] { vip.action = action_of; });
}

void add_cache(CLI::App& verb, const CacheText& text, CacheCommand& cache, std::string& config,
               Flags& flags) {
  CLI::App& action = *verb.add_subcommand(std::string(text.name), std::string(text.description));
  action.footer(std::string(text.footer));
  add_config(action, config);
  if (text.action == CacheAction::kLookup || text.action == CacheAction::kFlush) {
    auto* const name = action.add_option("name", cache.name, "a domain name");
    name->option_text(text.action == CacheAction::kLookup ? "NAME" : "[NAME]");
    name->required(text.action == CacheAction::kLookup);
  }
  if (text.action == CacheAction::kFlush) {
    action.add_flag("--below", cache.below, "and all names below it");
  } else {
    add_setting(action, *find_setting("admin.listen"), flags);
  }
  for (const std::string_view key : {"state.directory", "instance"}) {
    add_setting(action, *find_setting(key), flags);
  }
  action.callback([&cache, action_of = text.action] { cache.action = action_of; });
}

void add_upstream(CLI::App& verb, const UpstreamActionText& text, UpstreamCommand& upstream,
                  std::string& config, Flags& flags) {
  CLI::App& action = *verb.add_subcommand(std::string(text.name), std::string(text.description));
  action.footer(std::string(text.footer));
  add_config(action, config);
  if (text.action == UpstreamAction::kTest) {
    action.add_option("name", upstream.question.name, "what to ask for")->option_text("[NAME]");
    action.add_option("type", upstream.question.type, "A, AAAA, NS, ...")->option_text("[TYPE]");
    for (const std::string_view key :
         {"upstreams.resolv_conf", "upstreams.servers", "upstreams.timeout", "upstreams.groups"}) {
      add_setting(action, *find_setting(key), flags);
    }
  } else {
    for (const std::string_view key : {"admin.listen", "state.directory", "instance"}) {
      add_setting(action, *find_setting(key), flags);
    }
  }
  action.callback([&upstream, action_of = text.action] { upstream.action = action_of; });
}

// Flags in the order of settings(): a list's items stand in the order of the command line.
void take_flags(const Flags& flags, ConfigSources& sources) {
  for (const Setting& setting : settings()) {
    const auto texts = flags.find(setting.key);
    if (texts != flags.end() && !texts->second.empty()) {
      sources.flags.emplace_back(setting.key, texts->second);
    }
  }
}

void complain(const std::string& text) { fmt::print(stderr, "meshdns: {}\n", text); }

// The same of what follows a verb that is one of several actions.
template <typename Texts>
bool has_good_action(std::string_view verb, const Texts& actions, std::string_view word) {
  std::vector<std::string_view> names(actions.size());
  std::ranges::transform(actions, names.begin(), [](const auto& text) { return text.name; });
  if (word.empty()) {
    complain(fmt::format("{0}: what is to be done? (write {1}; `meshdns {0} --help` explains them)",
                         verb, fmt::join(names, ", ")));
    return false;
  }
  if (word == "--help" || word == "-h" || std::ranges::find(names, word) != names.end()) {
    return true;
  }
  complain(fmt::format(
      "{}: '{}' is nothing that can be done{}", verb, escape_name(word),
      suggestion(word, names, fmt::format("`meshdns {} --help` lists what can", verb))));
  return false;
}

// A verb, --help and --version are all that may come first. Looked at before the parser, which
// only says that a verb is missing.
bool has_good_start(int argc, const char* const* argv) {
  constexpr std::array<std::string_view, 3> kFlags{"--help", "--version", "-h"};
  std::vector<std::string_view> names;
  std::ranges::transform(kVerbs, std::back_inserter(names), &VerbText::name);
  if (argc < 2) {
    complain(fmt::format("what is to be done? (write {}; `meshdns --help` explains them)",
                         fmt::join(names, ", ")));
    return false;
  }
  const std::string_view first(argv[1]);
  const bool is_flag = first.starts_with('-');
  if (is_flag ? std::ranges::find(kFlags, first) != kFlags.end()
              : std::ranges::find(names, first) != names.end()) {
    const std::string_view action = argc < 3 ? std::string_view() : argv[2];
    return first == "vip"        ? has_good_action(first, kVipActions, action)
           : first == "cache"    ? has_good_action(first, kCacheActions, action)
           : first == "upstream" ? has_good_action(first, kUpstreamActions, action)
                                 : true;
  }
  complain(is_flag ? fmt::format("{}: is no known flag{}", escape_name(first),
                                 suggestion(first, kFlags,
                                            "flags follow the verb: `meshdns run --config FILE`"))
                   : fmt::format("'{}' is no verb{}", escape_name(first),
                                 suggestion(first, names, "`meshdns --help` lists them")));
  return false;
}

// The flags of the verb that was parsed, or of the program.
std::vector<std::string> known_flags(const CLI::App& app) {
  const CLI::App* verb = &app;
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
  }
  std::vector<std::string> names;
  for (const CLI::Option* const option : verb->get_options()) {
    if (option->nonpositional()) {
      names.push_back(option->get_name());
    }
  }
  return names;
}

// Says what is wrong with the words that nobody took.
void complain_about(const std::vector<std::string>& extras, const CLI::App& app) {
  const std::vector<std::string> flags = known_flags(app);
  const std::vector<std::string_view> words(flags.begin(), flags.end());
  const auto is_flag = [](const std::string& word) { return word.starts_with('-'); };
  const bool any_flag = std::ranges::any_of(extras, is_flag);
  for (const std::string& word : extras) {
    if (is_flag(word)) {
      const std::string name = word.substr(0, word.find('='));
      complain(
          fmt::format("{}: is no known flag{}", escape_name(name),
                      suggestion(name, words, "`meshdns VERB --help` lists the flags of a verb")));
    } else if (!any_flag) {  // else it is probably the value of the unknown flag
      complain(
          fmt::format("'{}' is one word too many (`meshdns VERB --help` says what a verb takes)",
                      escape_name(word)));
    }
  }
}

// The parser's own words, with what the flag takes where they are about a flag of ours.
void complain_about(const CLI::ParseError& error) {
  const std::string_view text(error.what());
  const std::string_view flag = text.substr(0, text.find(':'));
  const auto setting = std::ranges::find(settings(), flag, &Setting::flag);
  if (setting != settings().end() &&
      dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    complain(fmt::format("{}: takes one value (write {} {})", flag, flag, setting->value));
  } else {
    complain(fmt::format("{} (`meshdns VERB --help` says what a verb takes)", text));
  }
}

ExitCode report(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {  // --help, --version
    app.exit(error);
    return ExitCode::kSuccess;
  }
  const auto extras = app.remaining(true);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !extras.empty()) {
    complain_about(extras, app);
  } else {
    complain_about(error);
  }
  return ExitCode::kConfiguration;
}

}  // namespace

std::string version_text() {
  return fmt::format("meshdns {} ({}, {})", kVersion, kBuildType, kCompiler);
}

std::variant<Command, ExitCode> parse_command_line(int argc, const char* const* argv) {
  if (!has_good_start(argc, argv)) {
    return ExitCode::kConfiguration;
  }
  Command command;
  command.sources = process_sources();
  Flags flags;

  CLI::App app("meshdns: answers the names of a service mesh, and forwards all others.", "meshdns");
  app.require_subcommand(1);
  app.footer(std::string(kFooter));
  app.set_version_flag("--version", version_text(), "print the version and how it was built");
  std::map<Verb, CLI::App*> verbs;
  for (const VerbText& text : kVerbs) {
    CLI::App* const verb =
        app.add_subcommand(std::string(text.name), std::string(text.description));
    verb->footer(std::string(text.footer));
    verbs[text.verb] = verb;
  }
  for (const Verb verb : {Verb::kRun, Verb::kCheck, Verb::kQuery}) {
    add_config(*verbs[verb], command.sources.path);
  }
  add_settings(*verbs[Verb::kRun], flags);
  add_settings(*verbs[Verb::kCheck], flags);
  verbs[Verb::kRun]
      ->add_option("--port-file", command.port_file,
                   R"(write the ports taken to this file, as {"dns":N,"admin":N})")
      ->option_text("FILE");
  verbs[Verb::kRun]->add_flag("!--no-supervise", command.supervise,
                              "be one process, which nobody starts again when it dies");
  verbs[Verb::kRun]->add_flag(
      "--take-over", command.take_over,
      "replace the resolver that runs on the state folder, if there is one");
  add_query(*verbs[Verb::kQuery], command.query);
  verbs[Verb::kVip]->require_subcommand(1);
  for (const VipText& text : kVipActions) {
    add_vip(*verbs[Verb::kVip], text, command.vip, command.sources.path, flags);
  }
  verbs[Verb::kCache]->require_subcommand(1);
  for (const CacheText& text : kCacheActions) {
    add_cache(*verbs[Verb::kCache], text, command.cache, command.sources.path, flags);
  }
  verbs[Verb::kUpstream]->require_subcommand(1);
  for (const UpstreamActionText& text : kUpstreamActions) {
    add_upstream(*verbs[Verb::kUpstream], text, command.upstream, command.sources.path, flags);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report(app, error);
  }
  take_flags(flags, command.sources);
  const auto is_given = [&flags](std::string_view key) { return !flags[key].empty(); };
  command.vip.names_admin = is_given("admin.listen");
  command.cache.names_admin = command.vip.names_admin;
  command.upstream.names_admin = command.vip.names_admin;
  command.vip.names_folder = is_given("state.directory") || is_given("instance");
  for (const auto& [verb, parsed] : verbs) {
    if (*parsed) {
      command.verb = verb;
    }
  }
  return command;
}

}  // namespace meshdns::dns
