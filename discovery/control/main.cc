// meshdns-cp: the control plane as a program. Verbs: run, check, version.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/build_info.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "discovery/control/admin_http.h"
#include "discovery/control/dataplane_directory.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {
namespace {

constexpr std::chrono::seconds kRescanInterval{2};
constexpr mode_t kPortFileMode = 0644;

struct RunOptions {
  std::string dataplanes;
  std::string listen = "127.0.0.1:5678";
  std::string admin = "127.0.0.1:5680";
  std::string zone = "default";
  std::string port_file;
  LogOptions log;
  bool json = false;
};

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 1;
    case ErrorCode::kNetwork:
    case ErrorCode::kAlreadyExists:
      return 2;
    case ErrorCode::kNotFound:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
      return 3;
    default:
      return 5;
  }
}

int report(const Error& error) {
  fmt::print(stderr, "meshdns-cp: {}\n", error.message);
  return exit_code(error.code);
}

// The mesh that a node belongs to: its metadata, else what its id MESH.NAME begins with.
Result<std::string> mesh_of(const NodeInfo& node) {
  const auto mesh = node.metadata.find("mesh");
  const std::string name =
      mesh != node.metadata.end() ? mesh->second : node.id.substr(0, node.id.find('.'));
  if (name.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "the node names no mesh: give it metadata.mesh or an id MESH.NAME");
  }
  return name;
}

// Everything that runs, on the thread that calls run().
class ControlPlane {
 public:
  ControlPlane(const RunOptions& options, Logs& logs)
      : options_(options),
        logger_(logs.logger("control")),
        xds_logger_(logs.logger("xds")),
        store_(options.zone, logger_),
        directory_(options.dataplanes, files_, store_, logger_) {}

  Result<void> start() {
    auto loaded = directory_.load().and_then([this] { return directory_.watch(); });
    if (!loaded) {
      return loaded;
    }
    AdsServer::Options ads;
    ads.listen = options_.listen;
    auto server = AdsServer::start(
        ads,
        [this](const NodeInfo& node) {
          return mesh_of(node).map(
              [this](const std::string& mesh) { return store_.resources(mesh); });
        },
        xds_logger_, xds_metrics_);
    if (!server) {
      return tl::unexpected(server.error());
    }
    server_ = std::move(*server);
    return SocketAddress::parse(options_.admin).and_then([this](const SocketAddress& address) {
      return start_admin(address);
    });
  }

  void run() {
    update_gauges();
    wait_for_events();
    wait_for_rescan();
    signals_.async_wait([this](const boost::system::error_code&, int) { io_.stop(); });
    logger_.info("serving dataplanes={} services={} xds_port={} admin_port={}", store_.dataplanes(),
                 store_.services(), server_->port(), admin_->port());
    io_.run();
    server_->shutdown();
    static_cast<void>(events_.release());  // the directory closes it
    logger_.info("stopped");
  }

 private:
  Result<void> start_admin(const SocketAddress& address) {
    auto admin =
        AdminHttp::start(io_, address, [this](const std::string& path) { return answer(path); });
    if (!admin) {
      return tl::unexpected(admin.error());
    }
    admin_ = std::move(*admin);
    if (options_.port_file.empty()) {
      return {};
    }
    return replace_file(
        files_, options_.port_file,
        fmt::format("{{\"xds\":{},\"admin\":{}}}\n", server_->port(), admin_->port()),
        kPortFileMode);
  }

  HttpAnswer answer(const std::string& path) {
    if (path == "/healthz") {
      return {200, "text/plain", "ok\n"};
    }
    if (path == "/readyz") {
      std::string body = "ready\n";
      for (const std::string& problem : directory_.problems()) {
        body += "note: " + problem + "\n";
      }
      return {200, "text/plain", body};
    }
    if (path == "/metrics") {
      streams_.set(static_cast<double>(server_->streams()));
      return {200, "text/plain; version=0.0.4", metrics_.render()};
    }
    return {404, "text/plain", "there are /healthz, /readyz and /metrics\n"};
  }

  void wait_for_events() {
    events_.assign(directory_.watch_fd());
    on_readable();
  }

  void on_readable() {
    events_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (!error) {
                           directory_.on_events();
                           update_gauges();
                           on_readable();
                         }
                       });
  }

  void wait_for_rescan() {
    rescan_.expires_after(kRescanInterval);
    rescan_.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        directory_.rescan();
        update_gauges();
        wait_for_rescan();
      }
    });
  }

  void update_gauges() {
    dataplanes_.set(static_cast<double>(store_.dataplanes()));
    services_.set(static_cast<double>(store_.services()));
    problems_.set(static_cast<double>(directory_.problems().size()));
  }

  RunOptions options_;
  Logger& logger_;
  Logger& xds_logger_;
  PosixFileSystem files_;
  MetricRegistry metrics_;
  XdsServerMetrics xds_metrics_{metrics_};
  Gauge& dataplanes_ = metrics_.gauge("meshdns_cp_dataplanes", "Dataplanes that are served.");
  Gauge& services_ = metrics_.gauge("meshdns_cp_services", "Services made of them.");
  Gauge& problems_ =
      metrics_.gauge("meshdns_cp_problems", "Files and entities that are wrong now.");
  Gauge& streams_ = metrics_.gauge("meshdns_cp_streams", "Open xDS streams.");
  DataplaneStore store_;
  DataplaneDirectory directory_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_{io_, SIGINT, SIGTERM};
  boost::asio::steady_timer rescan_{io_};
  boost::asio::posix::stream_descriptor events_{io_};
  std::unique_ptr<AdsServer> server_;
  std::unique_ptr<AdminHttp> admin_;
};

int run(RunOptions options) {
  options.log.format = options.json ? LogFormat::kJson : LogFormat::kText;
  const auto logs = Logs::create(options.log);
  if (!logs) {
    return report(logs.error());
  }
  ControlPlane control_plane(options, **logs);
  if (const auto started = control_plane.start(); !started) {
    return report(started.error());
  }
  control_plane.run();
  return 0;
}

// Prints every problem of a folder; 1 when there is one.
int check(const std::string& folder) {
  const auto logs = Logs::create({"off", LogFormat::kText});
  if (!logs) {
    return report(logs.error());
  }
  Logger& logger = (*logs)->logger("control");
  PosixFileSystem files;
  DataplaneStore store("default", logger);
  DataplaneDirectory directory(folder, files, store, logger);
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
  return problems.empty() ? 0 : 1;
}

int main_with_flags(int argc, char** argv) {
  CLI::App app("meshdns-cp: turns Dataplane files into services and streams them over xDS.");
  app.require_subcommand(1);
  app.footer(
      "examples:\n  meshdns-cp check examples/mesh\n"
      "  meshdns-cp run --dataplanes examples/mesh\n"
      "  meshdns-cp run --dataplanes /etc/meshdns/dataplanes --listen 127.0.0.1:5678 --zone east");
  RunOptions options;
  CLI::App* run_verb = app.add_subcommand("run", "serve a folder of Dataplane files, and watch it");
  run_verb->add_option("--dataplanes", options.dataplanes, "folder of *.yaml files")
      ->required()
      ->envname("MESHDNS_CP_DATAPLANES");
  run_verb->add_option("--listen", options.listen, "xDS gRPC, ADDRESS:PORT")
      ->capture_default_str()
      ->envname("MESHDNS_CP_LISTEN");
  run_verb
      ->add_option("--admin", options.admin, "admin HTTP: /healthz /readyz /metrics, ADDRESS:PORT")
      ->capture_default_str()
      ->envname("MESHDNS_CP_ADMIN");
  run_verb->add_option("--zone", options.zone, "zone of inbounds without kuma.io/zone")
      ->capture_default_str()
      ->envname("MESHDNS_CP_ZONE");
  run_verb->add_option("--log-level", options.log.level, "debug, info, warn, error or off")
      ->capture_default_str()
      ->envname("MESHDNS_CP_LOG_LEVEL");
  run_verb->add_flag("--log-json", options.json, "log lines as JSON");
  run_verb->add_option("--port-file", options.port_file,
                       "write the ports taken to this file, as JSON");
  std::string folder;
  CLI::App* check_verb =
      app.add_subcommand("check", "validate a folder as run does; exits 1 on errors");
  check_verb->add_option("folder", folder, "folder of *.yaml files")->required();
  CLI::App* version_verb = app.add_subcommand("version", "print the version and how it was built");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  if (*version_verb) {
    fmt::print("meshdns-cp {} ({}, {})\n", kVersion, kBuildType, kCompiler);
    return 0;
  }
  return *check_verb ? check(folder) : run(options);
}

}  // namespace
}  // namespace meshdns::discovery

int main(int argc, char** argv) {
  try {
    return meshdns::discovery::main_with_flags(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "meshdns-cp: %s\n", error.what());
    return 5;
  }
}
