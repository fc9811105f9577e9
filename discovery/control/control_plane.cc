#include "discovery/control/control_plane.h"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <fmt/format.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/free_memory.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/admin_http.h"
#include "discovery/control/api_server.h"
#include "discovery/control/dataplane_directory.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/directory_follower.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/http_server.h"
#include "discovery/control/last_good_files.h"
#include "discovery/control/metrics.h"
#include "discovery/control/node_name.h"
#include "discovery/control/registrations.h"
#include "discovery/control/service_addresses.h"
#include "discovery/control/streams_page.h"
#include "discovery/control/token_verifier.h"
#include "discovery/control/xds_access.h"
#include "discovery/xds/admission.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/stream_status.h"

namespace meshdns::discovery {
namespace {

using boost::system::error_code;

// How often to look at the files of TLS and tokens.
constexpr std::chrono::seconds kAccessInterval{1};
constexpr mode_t kPortFileMode = 0644;

}  // namespace

struct ControlPlane::Impl {
  Impl(Options given, Logs& given_logs)
      : options(std::move(given)),
        logs(given_logs),
        logger(logs.logger("control")),
        store(options.zone, logger),
        directory(options.dataplanes, files, clock, store, logger) {}

  Result<void> start() {
    return open_access()
        .and_then([this] { return open_addresses(); })
        .and_then([this] { return start_api(); })
        .and_then([this] { return load(); })
        .and_then([this] { return start_xds(); })
        .and_then([this] { return start_admin(); })
        .and_then([this] { return write_ports(); });
  }

  Result<void> open_access() {
    XdsAccess::Options wanted = options.access;
    wanted.tokens = tokens_folder(options.state_dir);
    return XdsAccess::open(options.listen, wanted, files, wall_clock, logger, metrics)
        .map([this](std::unique_ptr<XdsAccess> opened) { access = std::move(opened); });
  }

  Result<void> open_addresses() {
    if (!options.listeners) {
      return {};
    }
    const auto pool = IpPrefix::parse(options.vip_pool);
    if (!pool) {
      return fail("--vip-pool", pool.error());
    }
    ServiceAddresses::Options wanted{.directory = options.state_dir, .ipv4_pool = *pool};
    if (!options.vip_pool_ipv6.empty()) {
      const auto pool_ipv6 = IpPrefix::parse(options.vip_pool_ipv6);
      if (!pool_ipv6) {
        return fail("--vip-pool-ipv6", pool_ipv6.error());
      }
      wanted.ipv6_pool = *pool_ipv6;
    }
    const ServiceAddresses::Environment environment{
        .files = files,
        .clock = clock,
        .post = [this](std::function<void()> task) { boost::asio::post(io, std::move(task)); },
        .logger = logs.logger("vip"),
        .registry = registry};
    auto opened = ServiceAddresses::open(wanted, environment, [this](const auto& services) {
      store.touch(services);
      store.commit();
      update_gauges();
    });
    if (!opened) {
      return fail("the state folder, where virtual addresses are kept (choose it with --state-dir)",
                  std::move(opened.error()));
    }
    addresses = *std::move(opened);
    auto common = *options.listeners == ListenerBinding::kRedirected
                      ? envoy_redirect(options.redirect_port, addresses->families())
                      : std::vector<ResourceUpdate>();
    store.serve_listeners(*addresses, *options.listeners, std::move(common));
    return {};
  }

  Result<void> load() {
    if (options.name_tables) {
      store.serve_name_tables(clock);
    }
    registrations.load(options.state_dir, files);
    remember_files();
    const auto watching = directory.watch();
    return directory.load().map([&] {
      if (addresses) {
        release_the_absent();
        addresses->flush();
        if (!absent_are_released) {
          logger.warn(
              "services that are not there may be in what cannot be read: their virtual addresses "
              "stay theirs until it can be");
        }
      }
      if (!watching) {
        logger.warn("{}; changes are found by scanning, seconds later", watching.error().message);
      }
      if (store.dataplanes() == 0) {
        logger.warn("there is no dataplane in {}", options.dataplanes);
      }
    });
  }

  void remember_files() {
    auto opened =
        LastGoodFiles::open(options.state_dir + "/dataplanes", options.dataplanes, files, logger);
    if (opened) {
      last_good = *std::move(opened);
      directory.remember_in(*last_good);
    } else {
      logger.warn("what a file held before its mistake is not known after a restart: {}",
                  escape_text(opened.error().message));
    }
  }

  // Once: who is missing when all that there is could be read is no more.
  void release_the_absent() {
    if (!absent_are_released && store.dataplanes() > 0 && directory.is_whole() &&
        api->problems().empty()) {
      addresses->release_the_absent();
      absent_are_released = true;
    }
  }

  Result<void> start_api() {
    ApiServer::Options wanted = options.api;
    wanted.state_dir = options.state_dir;
    return ApiServer::start(io, wanted, store, files, wall_clock, registry, logger,
                            [this] { update_gauges(); })
        .map([this](std::unique_ptr<ApiServer> made) { api = std::move(made); });
  }

  // Any thread.
  Result<Admission> admit(const NodeInfo& node, const std::string& mesh) {
    return store.resources(mesh).and_then([&](const std::shared_ptr<ResourceSet>& resources) {
      return registrations.admit(node).map([&](std::shared_ptr<void> presence) {
        return Admission(resources, std::move(presence));
      });
    });
  }

  Result<void> start_xds() {
    const auto audience = [this](const NodeInfo& node) {
      return mesh_of(node).and_then([&](const std::string& mesh) { return admit(node, mesh); });
    };
    AdsServer::Options ads;
    ads.listen = options.listen;
    access->configure(ads);
    return AdsServer::start(ads, audience, logs.logger("xds"), xds_metrics)
        .map([this](std::unique_ptr<AdsServer> made) { server = std::move(made); })
        .map_error([](Error error) {
          error.message +=
              error.code == ErrorCode::kNetwork ? "; choose another with --listen" : "";
          return error;
        });
  }

  Result<void> start_admin() {
    const auto address = SocketAddress::parse(options.admin);
    if (!address) {
      return fail("admin address", address.error());
    }
    return AdminHttp::start(io, *address, [this](const std::string& path) { return answer(path); })
        .map([this](std::unique_ptr<AdminHttp> made) { admin = std::move(made); });
  }

  Result<void> write_ports() {
    if (options.port_file.empty()) {
      return {};
    }
    const auto ports = fmt::format("{{\"xds\":{},\"admin\":{},\"api\":{}}}\n", server->port(),
                                   admin->port(), api->port());
    return replace_file(files, options.port_file, ports, kPortFileMode);
  }

  void run() {
    logger.info(
        "serving dataplanes={} services={} problems={} xds_port={} admin_port={} api_port={}",
        store.dataplanes(), store.services(), directory.problem_count(), server->port(),
        admin->port(), api->port());
    follower.start();
    wait_for_access();
    registrations.await_streams();  // reading the folder may have taken longer than their delay
    io.run();
    directory.finish();
    registrations.finish();
    server->shutdown();
    logger.info("stopped");
  }

  HttpAnswer answer(const std::string& path) {
    if (path == "/healthz") {
      return {200, "text/plain", "ok\n"};
    }
    if (path == "/readyz") {
      std::string body = "ready\n";
      for (const auto& problems : {directory.problems(), access->problems(), api->problems()}) {
        for (const std::string& problem : problems) {
          body += "note: " + problem + "\n";
        }
      }
      for (const std::string& note :
           {registrations.note(), addresses ? addresses->note() : std::string()}) {
        body += note.empty() ? "" : "note: " + note + "\n";
      }
      return {200, "text/plain", body};
    }
    if (path == "/metrics") {
      metrics.log_lines_dropped.set(static_cast<double>(logs.dropped()));
      return {200, "text/plain; version=0.0.4", registry.render()};
    }
    if (path == "/streams") {
      return {200, "application/json",
              streams_page(server->statuses(kMaxStreamsShown), server->streams())};
    }
    if (path == "/vips") {
      return {200, "application/json", addresses ? addresses->page() : "{\"vips\":[]}\n"};
    }
    return {404, "text/plain", "there are /healthz, /readyz, /metrics, /streams and /vips\n"};
  }

  // A few times a second, and after each change of the folder.
  void follow_up() {
    store.tell_name_tables();
    update_gauges();
  }

  // As often as the folder is scanned.
  void tidy_up() {
    if (addresses) {
      release_the_absent();
      addresses->retry();
    }
    give_back_free_memory();
  }

  void refresh_access() {
    access->refresh();
    server->recheck_clients();
  }

  void wait_for_access() {
    access_timer.expires_after(kAccessInterval);
    access_timer.async_wait([this](const error_code& error) {
      if (!error) {
        refresh_access();
        wait_for_access();
      }
    });
  }

  void wait_for_signal() {
    signals.async_wait([this](const error_code& error, int number) {
      if (error) {
        return;
      }
      if (number == SIGHUP) {
        follower.rescan();
        refresh_access();
        wait_for_signal();
      } else {
        io.stop();
      }
    });
  }

  void update_gauges() {
    metrics.dataplanes.set(static_cast<double>(store.dataplanes()));
    metrics.services.set(static_cast<double>(store.services()));
    metrics.problems.set(static_cast<double>(directory.problem_count()));
    const ResourceSet::Stats stats = store.resource_stats();
    metrics.resources.set(static_cast<double>(stats.resources));
    metrics.serialisations.add(stats.serialisations - metrics.serialisations.value());
    metrics.services_without_address.set(addresses ? static_cast<double>(addresses->waiting()) : 0);
    metrics.grpc_refused.set(static_cast<double>(store.refused_for_grpc()));
    metrics.generated.add(store.services_generated() - metrics.generated.value());
  }

  Options options;
  Logs& logs;
  Logger& logger;
  PosixFileSystem files;
  SystemClock clock;
  SystemWallClock wall_clock;
  MetricRegistry registry;
  XdsServerMetrics xds_metrics{registry};
  ControlMetrics metrics{registry};
  DataplaneStore store;
  std::unique_ptr<LastGoodFiles> last_good;  // null: its folder cannot be used
  DataplaneDirectory directory;
  boost::asio::io_context io{1};
  std::unique_ptr<ServiceAddresses> addresses;  // null: they are not given here
  bool absent_are_released = false;
  boost::asio::signal_set signals{io};
  boost::asio::steady_timer access_timer{io};
  DirectoryFollower follower{
      io,
      clock,
      directory,
      {.followed = [this] { follow_up(); }, .scanned = [this] { tidy_up(); }}};
  std::unique_ptr<XdsAccess> access;
  Registrations registrations{
      {.zone = options.zone, .deregistration_delay = options.deregistration_delay},
      io,
      store,
      logger,
      [this] { update_gauges(); }};
  std::unique_ptr<AdsServer> server;
  std::unique_ptr<AdminHttp> admin;
  std::unique_ptr<ApiServer> api;
};

ControlPlane::ControlPlane(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ControlPlane::~ControlPlane() = default;

Result<std::unique_ptr<ControlPlane>> ControlPlane::start(const Options& options, Logs& logs) {
  auto impl = std::make_unique<Impl>(options, logs);
  return impl->start().map(
      [&] { return std::unique_ptr<ControlPlane>(new ControlPlane(std::move(impl))); });
}

void ControlPlane::handle_signals() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    impl_->signals.add(number);
  }
  // Whoever reads our standard error may go away; services are served all the same.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  impl_->wait_for_signal();
}

void ControlPlane::run() { impl_->run(); }

void ControlPlane::stop() { impl_->io.stop(); }

std::uint16_t ControlPlane::xds_port() const { return impl_->server->port(); }

std::uint16_t ControlPlane::admin_port() const { return impl_->admin->port(); }

std::uint16_t ControlPlane::api_port() const { return impl_->api->port(); }

}  // namespace meshdns::discovery
