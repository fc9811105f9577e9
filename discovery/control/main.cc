// meshdns-cp: the control plane as a program. Verbs: run, check, apply, get, delete, token,
// version.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/build_info.h"
#include "base/clock.h"
#include "base/descriptor_limit.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/state_directory.h"
#include "base/wall_clock.h"
#include "discovery/control/api_commands.h"
#include "discovery/control/api_server.h"
#include "discovery/control/control_plane.h"
#include "discovery/control/dataplane_directory.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/entity_json.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/token_command.h"
#include "discovery/control/token_verifier.h"
#include "discovery/control/xds_access.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/xds/protobuf_log.h"

namespace meshdns::discovery {
namespace {

enum ExitCode : std::uint8_t {
  kSuccess = 0,
  kConfiguration = 1,  // flags, environment, or what `check` found
  kNetwork = 2,
  kFile = 3,
  kMemory = 4,
  kOther = 5,
};

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kConfiguration;
    case ErrorCode::kNetwork:
    case ErrorCode::kUnavailable:
      return kNetwork;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
      return kFile;
    case ErrorCode::kExhausted:
    case ErrorCode::kInternal:
      return kOther;
  }
  return kOther;
}

ExitCode report(const Error& error) {
  fmt::print(stderr, "meshdns-cp: {}\n", error.message);
  return exit_code_of(error.code);
}

ExitCode run(const ControlPlane::Options& options, const LogOptions& log) {
  const auto logs = Logs::create(log);
  if (!logs) {
    return report(logs.error());
  }
  if (const auto descriptors = raise_descriptor_limit(); !descriptors) {
    return report(descriptors.error());
  }
  const auto control_plane = ControlPlane::start(options, **logs);
  if (!control_plane) {
    return report(control_plane.error());
  }
  (*control_plane)->handle_signals();
  (*control_plane)->run();
  return kSuccess;
}

// Prints every problem of a folder.
ExitCode check(const std::string& folder) {
  const auto logs = Logs::create({"off", LogFormat::kText});
  if (!logs) {
    return report(logs.error());
  }
  Logger& logger = (*logs)->logger("control");
  PosixFileSystem files;
  const SystemClock clock;
  DataplaneStore store("default", logger);
  DataplaneDirectory directory(folder, files, clock, store, logger);
  if (const auto loaded = directory.load(); !loaded) {
    return report(loaded.error());
  }
  for (const std::string& warning : store.warnings()) {
    fmt::print("warning: {}\n", warning);
  }
  const auto problems = directory.problems();
  for (const std::string& problem : problems) {
    fmt::print("{}\n", problem);
  }
  fmt::print("{} dataplanes, {} services, {} errors\n", store.dataplanes(), store.services(),
             problems.size());
  return problems.empty() ? kSuccess : kConfiguration;
}

std::optional<std::string> from_environment(const std::string& name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets the environment.
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

void add_access_flags(CLI::App& verb, XdsAccess::Options& access) {
  verb.add_option("--tls-cert-file", access.tls.certificate,
                  "serve xDS over TLS with this certificate (PEM, its chain behind it); watched")
      ->envname("MESHDNS_CP_TLS_CERT_FILE");
  verb.add_option("--tls-key-file", access.tls.key, "the certificate's key (PEM); watched")
      ->envname("MESHDNS_CP_TLS_KEY_FILE");
  verb.add_option("--tls-client-ca-file", access.tls.client_ca,
                  "clients show a certificate that one of these has signed (PEM); watched")
      ->envname("MESHDNS_CP_TLS_CLIENT_CA_FILE");
  verb.add_flag("--allow-plaintext", access.allow_plaintext,
                "serve xDS without TLS to other hosts, too")
      ->envname("MESHDNS_CP_ALLOW_PLAINTEXT");
  verb.add_option_function<std::string>(
          "--auth",
          [&access](const std::string& word) {
            access.auth = word == "token" ? ClientAuth::kToken : ClientAuth::kNone;
          },
          "what clients have to show besides: a token of `meshdns-cp token`, or none; token with "
          "TLS, none without, unless given")
      ->check(CLI::IsMember({"none", "token"}))
      ->envname("MESHDNS_CP_AUTH");
}

// `token`, and what stands behind it.
struct TokenVerb {
  CLI::App* issue = nullptr;
  CLI::App* revoke = nullptr;
  CLI::App* rotate = nullptr;
  TokenWish wish;
  std::string revoked;
  std::string state_dir;  // its own: an option of another verb reads its variable, too
};

void add_token_verb(CLI::App& app, TokenVerb& verb) {
  verb.issue = app.add_subcommand("token", "print a token for a client of `run --auth token`");
  verb.issue->add_option("--mesh", verb.wish.mesh, "the mesh that it is for");
  verb.issue->add_option("--name", verb.wish.name,
                         "the name that its holder has (node id MESH.NAME); any, unless given");
  verb.issue->add_option("--zone", verb.wish.zones,
                         "a zone that its holder may say it is in; any, unless given");
  verb.issue
      ->add_option("--valid-for", verb.wish.valid_for, "how long: such as 90s, 30m, 720h or 30d")
      ->capture_default_str();
  verb.issue->add_option(
      "--key", verb.wish.key_file,
      "file with the private key (PEM, RSA) to sign with, for the state folder's");
  verb.issue
      ->add_option("--state-dir", verb.state_dir, "the state folder of `run`, where the keys are")
      ->capture_default_str()
      ->envname("MESHDNS_CP_STATE_DIR");
  verb.revoke = verb.issue->add_subcommand(
      "revoke", "take a token back, and end the streams that came with it");
  verb.revoke->add_option("jti", verb.revoked, "its id")->required();
  verb.rotate = verb.issue->add_subcommand(
      "rotate-key", "make another key that signs from now on; tokens there are stay good");
  verb.issue->require_subcommand(0, 1);
  verb.revoke->fallthrough();  // --state-dir may stand behind the word, too
  verb.rotate->fallthrough();
}

ExitCode run_token(const TokenVerb& verb) {
  PosixFileSystem files;
  const std::string folder = tokens_folder(verb.state_dir);
  if (verb.revoke->parsed()) {
    const auto revoked = revoke_token(files, folder, verb.revoked);
    return revoked ? kSuccess : report(revoked.error());
  }
  if (verb.rotate->parsed()) {
    const auto key = rotate_token_key(files, folder);
    if (!key) {
      return report(key.error());
    }
    fmt::print("{}\n", *key);
    return kSuccess;
  }
  const auto token = issue_token(files, folder, SystemWallClock(), verb.wish);
  if (!token) {
    return report(token.error());
  }
  fmt::print("{}\n", token->text);
  fmt::print(stderr, "jti={} mesh={} name={} expires={}\n", token->claims.id, token->claims.mesh,
             token->claims.name.empty() ? "(any)" : token->claims.name,
             time_text(token->claims.expires));
  return kSuccess;
}

// Who gives services their addresses, and what Envoys get to serve them.
void add_listener_flags(CLI::App& verb, ControlPlane::Options& options) {
  static const std::map<std::string, std::optional<ListenerBinding>> kBindings = {
      {"none", std::nullopt},
      {"bound", ListenerBinding::kBound},
      {"redirected", ListenerBinding::kRedirected}};
  verb.add_option_function<std::string>(
          "--listeners",
          [&options](const std::string& word) { options.listeners = kBindings.at(word); },
          "listeners for Envoys on virtual addresses, which are then given here and not by "
          "resolvers: bound to the address, or reached by redirection to one port")
      ->check(CLI::IsMember(kBindings))
      ->default_str("none")
      ->envname("MESHDNS_CP_LISTENERS");
  verb.add_flag("--name-tables", options.name_tables,
                "serve each mesh's names as a name table, too, for clients of Istio's NDS")
      ->envname("MESHDNS_CP_NAME_TABLES");
  verb.add_option("--vip-pool", options.vip_pool,
                  "IPv4 pool of virtual addresses, with --listeners")
      ->capture_default_str()
      ->envname("MESHDNS_CP_VIP_POOL");
  verb.add_option("--vip-pool-ipv6", options.vip_pool_ipv6,
                  "IPv6 pool of virtual addresses, with --listeners; none unless given")
      ->envname("MESHDNS_CP_VIP_POOL_IPV6");
  verb.add_option(
          "--redirect-port", options.redirect_port,
          "port on loopback that connections are redirected to, with --listeners redirected")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535))
      ->envname("MESHDNS_CP_REDIRECT_PORT");
}

void add_api_flags(CLI::App& verb, ApiServer::Options& api) {
  verb.add_option("--api", api.listen,
                  "the API, ADDRESS:PORT, or off; it asks nobody who they are, so whoever reaches "
                  "the address can change the mesh")
      ->capture_default_str()
      ->envname("MESHDNS_CP_API");
  verb.add_flag("--allow-remote-api", api.allow_remote,
                "listen for the API on an address that other hosts reach, too")
      ->envname("MESHDNS_CP_ALLOW_REMOTE_API");
}

// Each flag of `run` may come from the environment instead.
void add_run_flags(CLI::App& verb, ControlPlane::Options& options, LogOptions& log) {
  verb.add_option("--dataplanes", options.dataplanes,
                  "folder of Dataplane files (*.yaml, *.yml), watched for changes")
      ->required()
      ->envname("MESHDNS_CP_DATAPLANES");
  verb.add_option("--listen", options.listen,
                  "xDS over gRPC, ADDRESS:PORT; port 0 takes a free one")
      ->capture_default_str()
      ->envname("MESHDNS_CP_LISTEN");
  verb.add_option("--admin", options.admin,
                  "admin HTTP: /healthz /readyz /metrics /streams /vips, ADDRESS:PORT")
      ->capture_default_str()
      ->envname("MESHDNS_CP_ADMIN");
  verb.add_option("--zone", options.zone, "zone of inbounds without kuma.io/zone")
      ->capture_default_str()
      ->envname("MESHDNS_CP_ZONE");
  verb.add_option_function<unsigned>(
          "--deregistration-delay",
          [&options](unsigned seconds) {
            options.deregistration_delay = std::chrono::seconds(seconds);
          },
          "seconds that a Dataplane which registered itself stays when its stream has ended")
      ->default_str("10")
      ->check(CLI::Range(0, 86'400))
      ->envname("MESHDNS_CP_DEREGISTRATION_DELAY");
  verb.add_option("--state-dir", options.state_dir,
                  "folder for what must outlive the process; made when there is a need")
      ->capture_default_str()
      ->envname("MESHDNS_CP_STATE_DIR");
  add_access_flags(verb, options.access);
  add_listener_flags(verb, options);
  add_api_flags(verb, options.api);
  verb.add_option("--port-file", options.port_file,
                  R"(write the ports taken to this file: {"xds":N,"admin":N,"api":N})")
      ->envname("MESHDNS_CP_PORT_FILE");
  verb.add_option("--log-level", log.level, "debug, info, warn, error or off")
      ->capture_default_str()
      ->envname("MESHDNS_CP_LOG_LEVEL");
  verb.add_flag_callback(
          "--log-json", [&log] { log.format = LogFormat::kJson; }, "log lines as JSON")
      ->envname("MESHDNS_CP_LOG_JSON");
}

// The verbs that speak to a control plane which runs.
class ApiVerbs {
 public:
  explicit ApiVerbs(CLI::App& app)
      : apply_(app.add_subcommand("apply", "put entities into a running control plane")),
        get_(app.add_subcommand("get", "show the entities of a running control plane")),
        delete_(app.add_subcommand("delete", "take an entity out that apply put in")) {
    apply_
        ->add_option("-f,--file", paths_,
                     "YAML or JSON file, folder of them, or - for standard input; may be repeated")
        ->required();
    for (CLI::App* const verb : {get_, delete_}) {
      verb->add_option("kind", kind_, "dataplanes, external-services or hostname-generators")
          ->required()
          ->check(CLI::IsMember({"dataplane", "dataplanes", "external-service", "external-services",
                                 "hostname-generator", "hostname-generators"}));
      verb->add_option("--mesh", get_options_.mesh,
                       "mesh; default: where there is a name, default");
    }
    get_->add_option("name", get_options_.name, "one of them alone");
    get_->add_option("-o,--output", form_, "table, yaml or json")
        ->capture_default_str()
        ->check(CLI::IsMember({"table", "yaml", "json"}));
    delete_->add_option("name", get_options_.name, "which")->required();
    for (CLI::App* const verb : {apply_, get_, delete_}) {
      verb->add_option("--address", options_.address, "the control plane's API: ADDRESS:PORT")
          ->capture_default_str()
          ->envname("MESHDNS_CP_ADDRESS");
    }
  }

  [[nodiscard]] bool parsed() const {
    return apply_->parsed() || get_->parsed() || delete_->parsed();
  }

  [[nodiscard]] ExitCode run() {
    PosixFileSystem files;
    get_options_.form = form_ == "yaml"   ? EntityForm::kYaml
                        : form_ == "json" ? EntityForm::kJson
                                          : EntityForm::kTable;
    get_options_.kind = kind_.starts_with("external")   ? EntityKind::kExternalService
                        : kind_.starts_with("hostname") ? EntityKind::kHostnameGenerator
                                                        : EntityKind::kDataplane;
    const bool is_default = get_options_.mesh.empty() && is_of_a_mesh(get_options_.kind);
    const DataplaneId id{is_default ? "default" : get_options_.mesh, get_options_.name,
                         get_options_.kind};
    const auto done = apply_->parsed() ? apply_entities(paths_, files, options_)
                      : get_->parsed() ? get_entities(get_options_, options_)
                                       : delete_entity(id, options_);
    return done ? kSuccess : report(done.error());
  }

 private:
  CLI::App* apply_;
  CLI::App* get_;
  CLI::App* delete_;
  std::vector<std::string> paths_;
  std::string kind_;
  std::string form_ = "table";
  GetOptions get_options_;
  ApiCommandOptions options_;
};

ExitCode main_with_flags(int argc, char** argv) {
  CLI::App app("meshdns-cp: turns Dataplane files into services and streams them over xDS.");
  app.require_subcommand(1);
  app.footer(
      "Flags of `run` can be given by the environment too: MESHDNS_CP_LISTEN for --listen.\n"
      "Signals: SIGHUP reads the folder again, SIGTERM and SIGINT stop.\n"
      "Exit codes: 0 success, 1 configuration, 2 network, 3 file, 4 memory, 5 other.\n\n"
      "Examples:\n"
      "  meshdns-cp check examples/mesh\n"
      "  meshdns-cp run --dataplanes examples/mesh\n"
      "  meshdns-cp apply -f examples/mesh/backend.yaml && meshdns-cp get dataplanes\n"
      "  meshdns-cp run --dataplanes /etc/meshdns/dataplanes --listen 127.0.0.1:5678 --zone east\n"
      "  meshdns-cp run --dataplanes examples/mesh --listeners redirected\n"
      "  meshdns-cp token --mesh default --name web-1 --valid-for 720h");
  ControlPlane::Options options;
  options.state_dir = default_state_directory("meshdns-cp", ::geteuid() == 0, from_environment);
  LogOptions log;
  CLI::App* run_verb = app.add_subcommand("run", "serve a folder of Dataplane files, and watch it");
  add_run_flags(*run_verb, options, log);
  std::string folder;
  CLI::App* check_verb =
      app.add_subcommand("check", "validate a folder as run does; exits 1 on errors");
  check_verb->add_option("folder", folder, "folder of Dataplane files")->required();
  ApiVerbs api_verbs(app);
  TokenVerb token_verb;
  token_verb.state_dir = options.state_dir;
  add_token_verb(app, token_verb);
  const CLI::App* version_verb =
      app.add_subcommand("version", "print the version and how it was built");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kConfiguration;
  }
  if (version_verb->parsed()) {
    fmt::print("meshdns-cp {} ({}, {})\n", kVersion, kBuildType, kCompiler);
    return kSuccess;
  }
  if (api_verbs.parsed()) {
    return api_verbs.run();
  }
  if (token_verb.issue->parsed()) {
    return run_token(token_verb);
  }
  return check_verb->parsed() ? check(folder) : run(options, log);
}

}  // namespace
}  // namespace meshdns::discovery

int main(int argc, char** argv) {
  meshdns::discovery::silence_protobuf();
  try {
    return meshdns::discovery::main_with_flags(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("meshdns-cp: out of memory\n", stderr);
    return meshdns::discovery::kMemory;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "meshdns-cp: %s\n", error.what());
    return meshdns::discovery::kOther;
  }
}
