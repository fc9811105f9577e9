// meshdns: the resolver as a program. Verbs: run, check, query, vip, cache, upstream, version.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <new>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/descriptor_limit.h"
#include "base/exit_code.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/start_signals.h"
#include "discovery/feeds/file_feed.h"
#include "discovery/xds/protobuf_log.h"
#include "resolver/app/app.h"
#include "resolver/app/cache_command.h"
#include "resolver/app/command_line.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/config_print.h"
#include "resolver/app/configured_source.h"
#include "resolver/app/dns_front.h"
#include "resolver/app/keeper.h"
#include "resolver/app/launch.h"
#include "resolver/app/own_keeper.h"
#include "resolver/app/privileges.h"
#include "resolver/app/query.h"
#include "resolver/app/static_files.h"
#include "resolver/app/supervisor.h"
#include "resolver/app/upstream_command.h"
#include "resolver/app/upstream_selection.h"
#include "resolver/app/vip_command.h"

namespace meshdns::dns {
namespace {

ExitCode report(const Error& error) {
  fmt::print(stderr, "meshdns: {}\n", error.message);
  return exit_code_of(error.code);
}

ExitCode report(const LoadedConfig& loaded) {
  for (const std::string& error : loaded.errors) {
    fmt::print(stderr, "meshdns: {}\n", error);
  }
  return exit_code_of(loaded.error_code);
}

// To standard output, where a full disk is no success.
ExitCode print(const Result<std::string>& text) {
  if (!text) {
    return report(text.error());
  }
  const bool written = std::fwrite(text->data(), 1, text->size(), stdout) == text->size();
  if (std::fflush(stdout) != 0 || !written) {
    return report(errno_error(errno, "cannot write to standard output"));
  }
  return ExitCode::kSuccess;
}

// A descriptor that the caller closed would be taken by the first socket, and log lines would be
// sent to whoever is at its other end.
void open_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): fcntl(2) and open(2) are declared so.
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      // The lowest free descriptor, which is this one.
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg)
      static_cast<void>(::open("/dev/null", O_RDWR));
    }
  }
}

// Runs before the constructors of the libraries, one of which takes a descriptor.
[[gnu::section(".preinit_array"), gnu::used]] void (*const kBeforeAll)() = open_standard_streams;

// What was blocked while it started, once there are handlers.
void allow_signals() {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

ExitCode run(Command command, LoadedConfig loaded, FileSystem& files) {
  if (const auto descriptors = raise_descriptor_limit(); !descriptors) {
    return report(descriptors.error());
  }
  if (command.take_over && !command.supervise) {
    return report({ErrorCode::kInvalidArgument,
                   "--take-over needs the supervisor (leave --no-supervise out)"});
  }
  PosixSocketLayer sockets;
  SystemClock clock;
  auto launch =
      prepare_launch(loaded.config, command.sources,
                     command.take_over ? TakeOver::kIfThere : TakeOver::kNo, files, sockets);
  if (!launch) {
    return report(launch.error());
  }
  const auto resolve = [&](LoadedConfig config, std::optional<FileTexts> kept, Keeper& keeper) {
    App app({.loaded = std::move(config),
             .sources = command.sources,
             .port_file = command.port_file,
             .kept = std::move(kept)},
            {.files = files, .sockets = sockets, .clock = clock, .keeper = keeper});
    allow_signals();
    if (const auto started = app.start(); !started) {
      return report(started.error());
    }
    app.run();
    return ExitCode::kSuccess;
  };
  if (!command.supervise) {
    drop_capabilities();
    restore_oom_score(launch->oom_score);
    OwnKeeper keeper(std::move(launch->sockets), sockets, launch->manager);
    return resolve(std::move(loaded), std::nullopt, keeper);
  }
  Supervisor supervisor(std::move(loaded), command.sources, *std::move(launch),
                        {.files = files, .sockets = sockets, .clock = clock});
  auto role = supervisor.run();
  if (const ExitCode* const code = std::get_if<ExitCode>(&role)) {
    return *code;
  }
  auto& resolver = std::get<Supervisor::Resolver>(role);
  return resolve(std::move(resolver.loaded), std::move(resolver.kept), *resolver.keeper);
}

// The address at which `meshdns query` finds the configured resolver.
Result<std::string> configured_server(const Config& config) {
  const SocketAddress& first = config.listen.front();
  if (first.port == 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("listen: {} has no port of its own; say where with --server "
                            "ADDRESS:PORT",
                            first.to_string()));
  }
  return first.to_string();
}

ExitCode query(QueryOptions options, const Config& config) {
  if (options.server.empty()) {
    auto server = configured_server(config);
    if (!server) {
      return report(server.error());
    }
    options.server = *std::move(server);
  }
  return print(run_query(options));
}

// Of a verb that may be refused, which is no missing file.
ExitCode print_outcome(const Result<std::string>& done) {
  if (!done && (done.error().code == ErrorCode::kNotFound ||
                done.error().code == ErrorCode::kAlreadyExists)) {
    report(done.error());
    return ExitCode::kOther;
  }
  return print(done);
}

ExitCode vip(const VipCommand& command, const Config& config, FileSystem& files) {
  return print_outcome(run_vip_command(command, config, files));
}

ExitCode upstream(const UpstreamCommand& command, const Config& config, FileSystem& files) {
  if (command.action == UpstreamAction::kList) {
    return print_outcome(run_upstream_list(command, config));
  }
  PosixSocketLayer sockets;
  const auto result = run_upstream_test(command, config, files, sockets);
  if (!result) {
    return report(result.error());
  }
  const ExitCode printed = print(result->text);
  return printed == ExitCode::kSuccess && !result->any_answered ? ExitCode::kNetwork : printed;
}

// Whether the services file would be taken, each mistake said.
ExitCode check_services_file(const Config& config, FileSystem& files) {
  const SystemClock clock;
  discovery::FileFeed feed(config.services.file, file_defaults(config), files, clock);
  const auto update = feed.look();
  if (!update || update->problems.empty()) {
    return ExitCode::kSuccess;
  }
  for (const std::string& problem : update->problems) {
    fmt::print(stderr, "meshdns: {}\n", problem);
  }
  return update->is_unreadable ? ExitCode::kFile : ExitCode::kConfiguration;
}

// Reads what the configuration names, too, as far as that tells right from wrong.
ExitCode check(const LoadedConfig& loaded, FileSystem& files) {
  if (const auto builder = make_builder(loaded.config, files); !builder) {
    return report(builder.error());
  }
  if (const auto plan = make_plan(select_configured(loaded.config, {}, {})); !plan) {
    return report(plan.error());
  }
  if (loaded.config.uses_file()) {
    if (const ExitCode code = check_services_file(loaded.config, files);
        code != ExitCode::kSuccess) {
      return code;
    }
  }
  return print(print_config(loaded));
}

ExitCode execute(Command command) {
  if (command.verb == Verb::kVersion) {
    return print(version_text() + "\n");
  }
  if (command.verb == Verb::kQuery && !command.query.server.empty()) {
    return query(std::move(command.query), {});  // whatever the configuration may be
  }
  if (command.verb == Verb::kRun) {
    hold_hangup();
  }
  PosixFileSystem files;
  LoadedConfig loaded = load_config(command.sources, files);
  if (!loaded.errors.empty()) {
    return report(loaded);
  }
  switch (command.verb) {
    case Verb::kCheck:
      return check(loaded, files);
    case Verb::kQuery:
      return query(std::move(command.query), loaded.config);
    case Verb::kVip:
      return vip(command.vip, loaded.config, files);
    case Verb::kCache:
      return print_outcome(run_cache_command(command.cache, loaded.config));
    case Verb::kUpstream:
      return upstream(command.upstream, loaded.config, files);
    default:
      return run(std::move(command), std::move(loaded), files);
  }
}

ExitCode main_with_flags(int argc, const char* const* argv) {
  auto parsed = parse_command_line(argc, argv);
  if (const ExitCode* const code = std::get_if<ExitCode>(&parsed)) {
    return *code;
  }
  return execute(std::get<Command>(std::move(parsed)));
}

}  // namespace
}  // namespace meshdns::dns

int main(int argc, char** argv) {
  using meshdns::ExitCode;
  meshdns::discovery::silence_protobuf();
  try {
    return static_cast<int>(meshdns::dns::main_with_flags(argc, argv));
  } catch (const std::bad_alloc&) {
    std::fputs("meshdns: out of memory\n", stderr);
    return static_cast<int>(ExitCode::kMemory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "meshdns: %s\n", error.what());
    return static_cast<int>(ExitCode::kOther);
  }
}
