// App: the running resolver. Wires the parts together and owns the control thread's loop.
//
// The order of start() is the order in which things may fail and matter: logs, sockets, the table
// on disk and first answers, admin HTTP, leases, control plane. From the second step on DNS is
// answered.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/wall_clock.h"
#include "discovery/feeds/metrics.h"
#include "discovery/xds/grpc_log.h"
#include "discovery/xds/metrics.h"
#include "resolver/app/admin_routes.h"
#include "resolver/app/admin_server.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/dns_front.h"
#include "resolver/app/keeper.h"
#include "resolver/app/kuma_metrics.h"
#include "resolver/app/last_known_good.h"
#include "resolver/app/mesh_table.h"
#include "resolver/app/metrics.h"
#include "resolver/app/static_files.h"
#include "resolver/app/vip_editor.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::dns {

class App {
 public:
  struct Environment {
    FileSystem& files;
    SocketLayer& sockets;
    Clock& clock;
    Keeper& keeper;
  };
  struct Options {
    LoadedConfig loaded;    // without errors
    ConfigSources sources;  // read again at SIGHUP
    // Where the ports are written once they are known, as {"dns":N,"admin":N}; empty: nowhere.
    std::string port_file;
    // As DnsFront::Environment says. Nor does then a state folder that cannot be written.
    std::optional<FileTexts> kept = std::nullopt;
  };

  App(Options options, const Environment& environment);
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  ~App();

  // Starts everything, or says what cannot be had.
  [[nodiscard]] Result<void> start();
  // Runs on the calling thread until SIGTERM or SIGINT, then drains.
  void run();

 private:
  // Answers from the table on disk, if there is one.
  void serve_known_good();
  // Reads the DNS sockets, serves admin HTTP, and says so; does nothing the second time.
  [[nodiscard]] Result<void> begin();
  void begin_with_table();
  void beat();
  void await_request();
  // Syncs the state folder and lets it go; answers on from the table as it is.
  void freeze();
  void await_signal();
  void on_signal(int number);
  void on_reload();
  // Whether the new configuration is in use.
  [[nodiscard]] bool reload();
  [[nodiscard]] Result<void> start_admin();
  // /ready on a port of its own, where it is asked for.
  [[nodiscard]] Result<void> start_readiness();
  [[nodiscard]] AdminReply kuma_ready() const;
  [[nodiscard]] Result<void> write_port_file();
  [[nodiscard]] Result<void> open_leases();
  void make_table();
  // Serves admin.sock while the state folder is ours.
  void serve_changes();
  [[nodiscard]] AdminServer::Routes admin_routes();
  [[nodiscard]] AdminServer::Changes admin_changes();
  void refresh();
  void look_at_resolv_conf();
  void report_table(Readiness& readiness) const;
  [[nodiscard]] Readiness readiness() const;
  void set_late_gauges();
  void begin_kuma_metrics();
  // Answers what is open; /ready says meanwhile that this is the end.
  void drain();

  LoadedConfig loaded_;
  ConfigSources sources_;
  std::string port_file_;
  std::optional<FileTexts> kept_;
  Environment environment_;
  SystemWallClock wall_clock_;
  MetricRegistry registry_;
  AppMetrics metrics_;
  vip::VipMetrics vip_metrics_;
  discovery::XdsClientMetrics xds_metrics_;
  discovery::KumaPollMetrics kuma_poll_metrics_;
  ControlLoop loop_;
  boost::asio::signal_set signals_;
  boost::asio::posix::stream_descriptor requests_;  // of the keeper, who owns it
  KeptSockets sockets_;
  std::unique_ptr<Logs> logs_;
  std::optional<discovery::GrpcLog> grpc_log_;
  std::unique_ptr<LastKnownGood> known_good_;
  std::unique_ptr<DnsFront> front_;
  std::unique_ptr<vip::LeaseStore> leases_;
  std::unique_ptr<MeshTable> table_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<AdminServer> readiness_server_;
  std::unique_ptr<KumaMetrics> kuma_metrics_;
  std::unique_ptr<VipEditor> editor_;
  std::unique_ptr<AdminServer> changes_;  // on admin.sock
  WakeTimer refresh_timer_;
  WakeTimer resolv_conf_timer_;
  WakeTimer beat_timer_;
  WakeTimer reload_timer_;
  TimePoint began_;
  bool serving_ = false;
  bool reload_waits_ = false;
  bool stopping_ = false;
  bool frozen_ = false;  // the state folder is a successor's
};

}  // namespace meshdns::dns
