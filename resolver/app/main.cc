// meshdns: the resolver as a program. Verbs: run, check, query, vip, version.
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/build_info.h"
#include "base/clock.h"
#include "base/descriptor_limit.h"
#include "base/file_system.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/app/app.h"
#include "resolver/app/command_line.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/exit_code.h"
#include "resolver/app/query.h"
#include "resolver/app/vip_listing.h"

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

ExitCode print(const Result<std::string>& text) {
  if (!text) {
    return report(text.error());
  }
  fmt::print("{}", *text);
  return ExitCode::kSuccess;
}

ExitCode run(Command command, LoadedConfig loaded, FileSystem& files) {
  if (const auto descriptors = raise_descriptor_limit(); !descriptors) {
    return report(descriptors.error());
  }
  PosixSocketLayer sockets;
  SystemClock clock;
  App app({.loaded = std::move(loaded),
           .sources = std::move(command.sources),
           .port_file = std::move(command.port_file)},
          {.files = files, .sockets = sockets, .clock = clock});
  if (const auto started = app.start(); !started) {
    return report(started.error());
  }
  app.run();
  return ExitCode::kSuccess;
}

ExitCode query(QueryOptions options, const Config& config) {
  if (options.server.empty()) {
    options.server = config.listen.front().to_string();
  }
  return print(run_query(options));
}

ExitCode vip(const std::string& service, const Config& config) {
  if (!config.admin_listen) {
    return report(Error{ErrorCode::kInvalidArgument,
                        "admin.listen is off: `meshdns vip` reads the running resolver's admin "
                        "HTTP (set --admin to its address)"});
  }
  return print(list_vips(*config.admin_listen, service));
}

ExitCode execute(Command command) {
  if (command.verb == Verb::kVersion) {
    fmt::print("meshdns {} ({}, {})\n", kVersion, kBuildType, kCompiler);
    return ExitCode::kSuccess;
  }
  PosixFileSystem files;
  LoadedConfig loaded = load_config(command.sources, files);
  if (!loaded.errors.empty()) {
    return report(loaded);
  }
  switch (command.verb) {
    case Verb::kCheck:
      return print(print_config(loaded));
    case Verb::kQuery:
      return query(std::move(command.query), loaded.config);
    case Verb::kVip:
      return vip(command.service, loaded.config);
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
  using meshdns::dns::ExitCode;
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
