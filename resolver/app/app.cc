#include "resolver/app/app.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/core_share.h"
#include "base/file_system.h"
#include "base/free_memory.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "resolver/app/admin_routes.h"
#include "resolver/app/admin_server.h"
#include "resolver/app/cache_dump.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/config_print.h"
#include "resolver/app/dns_front.h"
#include "resolver/app/keeper.h"
#include "resolver/app/kuma_metrics.h"
#include "resolver/app/last_known_good.h"
#include "resolver/app/mesh_table.h"
#include "resolver/app/reload_plan.h"
#include "resolver/app/vip_command.h"
#include "resolver/app/vip_editor.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"
#include "vip/lease_store.h"
#include "vip/pin.h"

namespace meshdns::dns {
namespace {

// How often the host's addresses are looked at again.
constexpr std::chrono::seconds kRefresh{5};
// Whoever asks for a reload again and again, or while one is under way, gets one: it reads all
// anew.
constexpr std::chrono::milliseconds kReloadWait{10};
// A table that does not come holds up nobody for longer; kuma-dp waits as long.
constexpr std::chrono::seconds kKumaReadinessGate{15};
constexpr std::array<std::uint8_t, 4> kLoopback{127, 0, 0, 1};
constexpr mode_t kPortFileMode = 0644;

AdminReply change_reply(const Result<std::string>& result) {
  AdminReply reply;
  reply.body = result ? *result : result.error().message + "\n";
  if (!result) {
    switch (result.error().code) {
      case ErrorCode::kInvalidArgument:
        reply.status = 400;
        break;
      case ErrorCode::kNotFound:
        reply.status = 404;
        break;
      case ErrorCode::kAlreadyExists:
        reply.status = 409;
        break;
      default:
        reply.status = 507;  // it could not be stored
        break;
    }
  }
  return reply;
}

// Of the name in the body, and with ?below of all names below it.
AdminReply flush_cache(AnswerCache& cache, const AdminChange& change) {
  const auto name = Name::from_text(change.body);
  AdminReply reply;
  if (!name) {
    reply.status = 400;
    reply.body = "the body is no domain name\n";
    return reply;
  }
  reply.body = fmt::format("forgot {} answers\n", cache.flush(*name, change.query == "below"));
  return reply;
}

// Whether a folder is there, and no more what was in it.
bool is_lost(const std::string& path) {
  return ::access(directory_of(path).c_str(), F_OK) == 0 && ::access(path.c_str(), F_OK) != 0 &&
         errno == ENOENT;
}

}  // namespace

App::App(Options options, const Environment& environment)
    : loaded_(std::move(options.loaded)),
      sources_(std::move(options.sources)),
      port_file_(std::move(options.port_file)),
      kept_(std::move(options.kept)),
      environment_(environment),
      metrics_(registry_),
      vip_metrics_(registry_),
      xds_metrics_(registry_),
      kuma_poll_metrics_(registry_),
      signals_(loop_.io(), SIGTERM, SIGINT, SIGHUP),
      requests_(loop_.io()),
      refresh_timer_(loop_, environment.clock, [this] { refresh(); }),
      resolv_conf_timer_(loop_, environment.clock, [this] { look_at_resolv_conf(); }),
      beat_timer_(loop_, environment.clock, [this] { beat(); }),
      reload_timer_(loop_, environment.clock, [this] { on_reload(); }) {}

App::~App() {
  requests_.release();
  // Callbacks end before what they use.
  changes_.reset();
  admin_.reset();
  readiness_server_.reset();
  table_.reset();
}

Result<void> App::start() {
  began_ = environment_.clock.now();
  auto logs = Logs::create(loaded_.config.log);
  if (!logs) {
    return tl::unexpected(std::move(logs.error()));
  }
  logs_ = *std::move(logs);
  grpc_log_.emplace(logs_->logger("xds"), environment_.clock);
  // Whoever reads our standard error may go away; names are answered all the same.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  await_signal();
  await_request();
  sockets_ = environment_.keeper.take_sockets();
  auto front = DnsFront::open(loaded_.config,
                              {.files = environment_.files,
                               .sockets = environment_.sockets,
                               .keeper = environment_.keeper,
                               .clock = environment_.clock,
                               .log = logs_->logger("dns"),
                               .registry = registry_,
                               .metrics = metrics_,
                               .kept = kept_},
                              sockets_);
  if (!front) {
    return tl::unexpected(std::move(front.error()));
  }
  front_ = *std::move(front);
  serve_known_good();
  const Keeper::Beginning beginning = environment_.keeper.beginning();
  const bool begins = beginning == Keeper::Beginning::kAtOnce || front_->builder().serves_image();
  if (begins && beginning != Keeper::Beginning::kInTurn) {
    front_->begin();
  }
  if (auto opened = open_leases(); !opened) {
    return opened;
  }
  make_table();
  serve_changes();
  if (begins) {
    if (auto begun = begin(); !begun) {
      return begun;
    }
  }
  table_->start();
  beat();
  refresh_timer_.set(environment_.clock.now() + kRefresh);
  look_at_resolv_conf();
  return {};
}

void App::serve_known_good() {
  known_good_ = std::make_unique<LastKnownGood>(
      known_good_options(loaded_.config), LastKnownGood::Environment{.files = environment_.files,
                                                                     .clock = environment_.clock,
                                                                     .wall = wall_clock_,
                                                                     .log = logs_->logger("table"),
                                                                     .metrics = metrics_});
  known_good_->serve(front_->builder());
  if (front_->builder().serves_image()) {
    front_->publish(front_->builder().build());
  }
}

Result<void> App::begin() {
  if (serving_) {
    return {};
  }
  serving_ = true;
  front_->begin();
  for (const auto& step : {&App::start_admin, &App::start_readiness, &App::write_port_file}) {
    if (auto done = (this->*step)(); !done) {
      return done;
    }
  }
  give_way();  // to the workers, which have begun by now
  environment_.keeper.tell(Keeper::Event::kServing);
  return {};
}

void App::begin_kuma_metrics() {
  const auto* const feed = table_ ? table_->kuma_feed() : nullptr;
  if (feed != nullptr && feed->has_delivered() && !kuma_metrics_) {
    kuma_metrics_ = std::make_unique<KumaMetrics>(
        registry_, front_->server_metrics(), feed->labels(), environment_.clock.now() - began_);
  }
}

void App::begin_with_table() {
  begin_kuma_metrics();
  if (auto begun = begin(); !begun) {
    logs_->logger("dns").error("{}", begun.error().message);
  }
}

void App::beat() {
  const auto interval = environment_.keeper.beat_interval();
  if (interval.count() != 0) {
    environment_.keeper.beat(0);
    beat_timer_.set(environment_.clock.now() + interval);
  }
}

void App::await_request() {
  if (!requests_.is_open()) {
    if (environment_.keeper.descriptor() < 0) {
      return;
    }
    requests_.assign(environment_.keeper.descriptor());
  }
  requests_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (error) {
                           return;
                         }
                         while (const auto request = environment_.keeper.next_request()) {
                           if (*request == Keeper::Request::kBegin) {
                             begin_with_table();
                           } else {
                             freeze();
                           }
                         }
                         await_request();
                       });
}

void App::freeze() {
  if (std::exchange(frozen_, true)) {
    return;
  }
  logs_->logger("dns").info("letting the state folder go to a successor");
  changes_.reset();
  const auto table = table_->publisher().is_ready() ? Keeper::Table::kWhole : Keeper::Table::kNone;
  table_->stop();
  const auto let_go = [this, table](const Result<void>& synced) {
    // Not from within the store.
    loop_.post([this, table, synced] {
      editor_.reset();
      table_.reset();
      leases_.reset();
      environment_.keeper.tell_frozen(synced, table);
    });
  };
  if (leases_->is_recording()) {
    leases_->confirm(let_go);
  } else {
    let_go({});
  }
}

AdminServer::Routes App::admin_routes() {
  return make_admin_routes(
      {.readiness = [this] { return readiness(); },
       .config = [this] { return print_config(loaded_); },
       .entries = [this] { return table_ ? &table_->publisher().entries() : nullptr; },
       .before_metrics = [this] { set_late_gauges(); },
       .cache = [this] { return dump_cache(front_->cache(), environment_.clock.now()); },
       .upstreams = [this] { return front_->list_upstreams(); },
       .registry = &registry_});
}

AdminServer::Changes App::admin_changes() {
  // What a change says about other services shows at once.
  const auto answer = [this](const AdminServer::Reply& reply) {
    return [this, reply](const Result<std::string>& result) {
      table_->pump();
      reply(change_reply(result));
    };
  };
  AdminServer::Changes changes;
  changes["/vips/release"] = [this, answer](const AdminChange& change, const auto& reply) {
    editor_->release(change.body, answer(reply));
  };
  changes["/vips/pin"] = [this, answer](const AdminChange& change, const auto& reply) {
    editor_->pin(change.body,
                 change.query == "force" ? vip::PinMode::kForce : vip::PinMode::kOnlyWithoutLease,
                 answer(reply));
  };
  changes["/cache/flush"] = [this](const AdminChange& change, const AdminServer::Reply& reply) {
    reply(flush_cache(front_->cache(), change));
  };
  changes["/vips/import"] = [this, answer](const AdminChange& change, const auto& reply) {
    editor_->import(change.body, answer(reply));
  };
  return changes;
}

void App::serve_changes() {
  AdminServer::Options options;
  options.unix_path = admin_socket(loaded_.config);
  if (changes_ && is_lost(options.unix_path)) {
    changes_.reset();
  }
  if (changes_ || !leases_->is_recording()) {
    return;
  }
  auto server = AdminServer::start(loop_.io(), options, admin_routes(), admin_changes(),
                                   logs_->logger("admin"));
  if (!server) {
    logs_->logger("admin").warn("`meshdns vip` cannot change anything: {}", server.error().message);
    return;
  }
  changes_ = *std::move(server);
  logs_->logger("admin").info("taking changes socket={}", options.unix_path);
}

Result<void> App::start_admin() {
  if (!loaded_.config.admin_listen) {
    return {};
  }
  AdminServer::Options options;
  options.listen = *loaded_.config.admin_listen;
  options.socket = sockets_.admin.release();
  auto admin = AdminServer::start(loop_.io(), options, admin_routes(), logs_->logger("admin"));
  if (!admin) {
    return fail("admin.listen", std::move(admin.error()));
  }
  admin_ = *std::move(admin);
  logs_->logger("admin").info("serving HTTP address={}:{}", options.listen.ip.to_string(),
                              admin_->port());
  return {};
}

Result<void> App::start_readiness() {
  const Config::Kuma& kuma = loaded_.config.kuma;
  const std::uint16_t port = kuma.readiness_port.value_or(0);
  if (!loaded_.config.uses_kuma() || port == 0) {
    return {};
  }
  AdminServer::Options options;
  options.listen = {.ip = kuma.readiness_for_all ? IpAddress() : IpAddress(kLoopback),
                    .port = port};
  AdminServer::Routes routes;
  routes["/ready"] = [this] { return kuma_ready(); };
  auto server = AdminServer::start(loop_.io(), options, std::move(routes), logs_->logger("admin"));
  if (!server) {
    return fail("kuma.readiness_port", std::move(server.error()));
  }
  readiness_server_ = *std::move(server);
  return {};
}

AdminReply App::kuma_ready() const {
  const bool waited = environment_.clock.now() - began_ >= kKumaReadinessGate;
  AdminReply reply;
  if (stopping_) {
    reply.status = 503;
    reply.body = "TERMINATING";
    return reply;
  }
  reply.status = waited || readiness().missing.empty() ? 200 : 503;
  reply.body = reply.status == 200 ? "READY" : "NOT_READY";
  return reply;
}

Result<void> App::write_port_file() {
  if (port_file_.empty() || kept_) {  // of this process's own, or told by the one before
    return {};
  }
  const std::string text =
      fmt::format("{{\"dns\":{},\"admin\":{}}}\n", front_->addresses().front().port,
                  admin_ ? admin_->port() : 0);
  return replace_file(environment_.files, port_file_, text, kPortFileMode);
}

Result<void> App::open_leases() {
  auto options = lease_options(loaded_.config);
  if (kept_ && options.mode == vip::StateMode::kRequired) {
    options.mode = vip::StateMode::kGoOn;
  }
  auto leases = vip::LeaseStore::open(
      options, environment_.files, environment_.clock,
      [this](std::function<void()> task) { loop_.post(std::move(task)); },
      [this](const std::vector<std::string>& keys) {
        if (table_) {
          table_->on_lease_change(keys);
        }
      },
      logs_->logger("vip"), vip_metrics_);
  if (!leases) {
    return fail("state folder", std::move(leases.error()));
  }
  leases_ = *std::move(leases);
  return {};
}

void App::make_table() {
  table_ = std::make_unique<MeshTable>(
      loaded_.config,
      MeshTable::Environment{
          .loop = loop_,
          .clock = environment_.clock,
          .logs = *logs_,
          .registry = registry_,
          .metrics = metrics_,
          .source_metrics = {.app = metrics_, .xds = xds_metrics_, .socket = kuma_poll_metrics_},
          .front = *front_,
          .leases = *leases_,
          .known_good = *known_good_,
          .files = environment_.files,
          .on_ready = [this] { begin_with_table(); }});
  editor_ =
      std::make_unique<VipEditor>(*leases_, loaded_.config.mesh, vip_pools(loaded_.config), [this] {
        return VipEditor::Services{.entries = &table_->publisher().entries(),
                                   .are_awaited = !table_->publisher().is_ready()};
      });
}

void App::refresh() {
  front_->refresh();
  if (!frozen_) {
    table_->refresh();
    leases_->look_at_folder();
    serve_changes();
  }
  give_back_free_memory();
  refresh_timer_.set(environment_.clock.now() + kRefresh);
}

void App::look_at_resolv_conf() {
  front_->look_at_resolv_conf();
  resolv_conf_timer_.set(environment_.clock.now() + DnsFront::kResolvConfInterval);
}

void App::report_table(Readiness& readiness) const {
  if (table_) {
    table_->report(readiness);
  } else {
    readiness.missing.emplace_back("table: the state folder is not read yet");
  }
}

Readiness App::readiness() const {
  Readiness readiness;
  if (frozen_) {
    readiness.notes.emplace_back("state: a successor takes over");
  } else {
    report_table(readiness);
  }
  if (leases_ && !leases_->state_note().empty()) {
    readiness.notes.push_back("state: " + leases_->state_note());
  }
  if (front_->upstreams().servers.empty()) {
    readiness.notes.emplace_back(
        "upstreams: there is none; names outside of the mesh cannot be resolved");
  }
  if (!front_->records_note().empty()) {
    readiness.notes.push_back("records: " + front_->records_note());
  }
  for (const std::string& warning : front_->upstreams().warnings) {
    readiness.notes.push_back("upstreams: " + warning);
  }
  return readiness;
}

void App::set_late_gauges() {
  metrics_.ready.set(readiness().missing.empty() ? 1 : 0);
  metrics_.log_lines_dropped.set(static_cast<double>(logs_->dropped()));
  if (table_) {
    table_->set_late_gauges();
    if (kuma_metrics_ && table_->kuma_feed() != nullptr) {
      kuma_metrics_->update(table_->kuma_feed()->names());
    }
  }
}

void App::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int number) {
    if (!error) {
      on_signal(number);
    }
  });
}

void App::on_signal(int number) {
  if (number == SIGHUP) {
    if (!stopping_ && !reload_waits_) {  // at the end there is nothing left to reload
      reload_waits_ = true;
      reload_timer_.set(environment_.clock.now() + kReloadWait);
    }
    await_signal();
    return;
  }
  logs_->logger("dns").info("stopping signal={}", number);
  environment_.keeper.tell(Keeper::Event::kStopping);
  loop_.stop();
}

void App::on_reload() {
  reload_waits_ = false;
  environment_.keeper.tell(Keeper::Event::kReloading);
  if (front_) {
    front_->reopen_taps();
  }
  environment_.keeper.tell(reload() ? Keeper::Event::kReloaded : Keeper::Event::kNotReloaded);
}

bool App::reload() {
  Logger& log = logs_->logger("config");
  const auto refuse = [&](const std::string& reason) {
    metrics_.failed_reloads.add();
    log.error("not reloaded, the configuration in use stays: {}", reason);
  };
  LoadedConfig loaded = load_config_again(sources_, environment_.files, loaded_);
  for (const std::string& error : loaded.errors) {
    refuse(error);
  }
  if (!loaded.errors.empty() || !front_) {
    return false;
  }
  ReloadPlan plan = plan_reload(loaded_, std::move(loaded));
  if (auto done = front_->reload(plan.next.config); !done) {
    refuse(done.error().message);
    return false;
  }
  // The level was checked when it was read.
  static_cast<void>(logs_->set_level(plan.next.config.log.level));
  for (const std::string& key : plan.needs_restart) {
    log.warn("changed, but takes a restart key={}", key);
  }
  loaded_ = std::move(plan.next);
  if (table_) {
    table_->refresh_source();
  }
  metrics_.reloads.add();
  log.info("reloaded");
  return true;
}

void App::drain() {
  if (!readiness_server_) {
    front_->stop();
    return;
  }
  // Nothing else is to be done on this thread meanwhile.
  for (WakeTimer* const timer :
       {&refresh_timer_, &resolv_conf_timer_, &beat_timer_, &reload_timer_}) {
    timer->set({});
  }
  boost::system::error_code ignored;
  requests_.cancel(ignored);
  std::thread drainer([this] {
    front_->stop();
    loop_.post([this] { loop_.stop(); });
  });
  loop_.resume();
  drainer.join();
}

void App::run() {
  loop_.run();
  stopping_ = true;
  changes_.reset();
  admin_.reset();
  if (table_) {
    table_->stop();
  }
  drain();
  readiness_server_.reset();
  leases_.reset();  // writes what is still to be written
  logs_->logger("dns").info("stopped");
}

}  // namespace meshdns::dns
