// meshdns-cp: the control plane as a program. Verbs: run, check, apply, get, delete, token,
// version.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/build_info.h"
#include "base/clock.h"
#include "base/descriptor_limit.h"
#include "base/exit_code.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/start_signals.h"
#include "base/state_directory.h"
#include "discovery/control/api_verbs.h"
#include "discovery/control/control_plane.h"
#include "discovery/control/dataplane_directory.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/run_flags.h"
#include "discovery/control/token_verb.h"
#include "discovery/xds/grpc_log.h"
#include "discovery/xds/protobuf_log.h"

namespace meshdns::discovery {
namespace {

ExitCode report(const Error& error) {
  fmt::print(stderr, "meshdns-cp: {}\n", error.message);
  return exit_code_of(error.code);
}

ExitCode exit_code_of(const Result<void>& done) {
  return done ? ExitCode::kSuccess : report(done.error());
}

ExitCode run(const ControlPlane::Options& options, const LogOptions& log) {
  hold_hangup();
  const auto logs = Logs::create(log);
  if (!logs) {
    return report(logs.error());
  }
  if (const auto descriptors = raise_descriptor_limit(); !descriptors) {
    return report(descriptors.error());
  }
  const SystemClock clock;
  const GrpcLog grpc_log((*logs)->logger("xds"), clock);
  const auto control_plane = ControlPlane::start(options, **logs);
  if (!control_plane) {
    return report(control_plane.error());
  }
  (*control_plane)->handle_signals();
  let_hangup_come();
  (*control_plane)->run();
  return ExitCode::kSuccess;
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
  return problems.empty() ? ExitCode::kSuccess : ExitCode::kConfiguration;
}

std::optional<std::string> from_environment(const std::string& name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets the environment.
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

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
  const ApiVerbs api_verbs(app);
  const TokenVerb token_verb(app, options.state_dir);
  const CLI::App* version_verb =
      app.add_subcommand("version", "print the version and how it was built");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::kSuccess : ExitCode::kConfiguration;
  }
  if (version_verb->parsed()) {
    fmt::print("meshdns-cp {} ({}, {})\n", kVersion, kBuildType, kCompiler);
    return ExitCode::kSuccess;
  }
  if (api_verbs.parsed()) {
    return exit_code_of(api_verbs.run());
  }
  if (token_verb.parsed()) {
    return exit_code_of(token_verb.run());
  }
  return check_verb->parsed() ? check(folder) : run(options, log);
}

}  // namespace
}  // namespace meshdns::discovery

int main(int argc, char** argv) {
  meshdns::discovery::silence_protobuf();
  try {
    return static_cast<int>(meshdns::discovery::main_with_flags(argc, argv));
  } catch (const std::bad_alloc&) {
    std::fputs("meshdns-cp: out of memory\n", stderr);
    return static_cast<int>(meshdns::ExitCode::kMemory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "meshdns-cp: %s\n", error.what());
    return static_cast<int>(meshdns::ExitCode::kOther);
  }
}
