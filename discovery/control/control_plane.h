// The control plane: Dataplanes of a folder and over the API in, xDS and admin HTTP out.
//
// Everything but xDS's streams runs on the thread that calls run(). One object is one run: start,
// run, destroy.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "discovery/control/api_server.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/xds_access.h"
#include "vip/default_pools.h"

namespace meshdns::discovery {

class ControlPlane {
 public:
  struct Options {
    std::string dataplanes;                 // the folder
    std::string listen = "127.0.0.1:5678";  // xDS; ADDRESS:PORT, port 0 takes a free one
    std::string admin = "127.0.0.1:5680";   // likewise
    std::string zone = "default";           // of inbounds that name none
    // How long a dataplane that registered itself stays when its stream has ended.
    std::chrono::milliseconds deregistration_delay{10'000};
    std::string state_dir;        // what outlives the process
    ApiServer::Options api{};     // its own state_dir counts for nothing
    XdsAccess::Options access{};  // to xDS
    bool name_tables = false;     // whether the names of a mesh are served as Istio's NDS, too
    // Which listeners Envoys get on the services' virtual addresses; nothing: there are none, and
    // resolvers allocate the addresses.
    std::optional<ListenerBinding> listeners;
    std::string vip_pool{vip::kDefaultIpv4Pool};  // where those addresses are from
    std::string vip_pool_ipv6;                    // likewise; empty: services have no IPv6 address
    std::uint16_t redirect_port = 15001;          // where connections are redirected to
    std::string port_file;                        // where to write the ports taken; empty: nowhere
  };

  // Reads the folder, then listens, so that nobody is told of an empty mesh. Fails when the folder
  // cannot be read or an address not be bound; what is wrong inside the folder is only reported.
  // `logs` outlives the control plane.
  [[nodiscard]] static Result<std::unique_ptr<ControlPlane>> start(const Options& options,
                                                                   Logs& logs);
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;
  ~ControlPlane();

  // SIGTERM and SIGINT end run(), SIGHUP reads the folder again, SIGPIPE is ignored. Call it before
  // run().
  void handle_signals();
  // Serves until stop(), then ends every stream.
  void run();
  // Thread-safe.
  void stop();

  [[nodiscard]] std::uint16_t xds_port() const;
  [[nodiscard]] std::uint16_t admin_port() const;
  [[nodiscard]] std::uint16_t api_port() const;  // 0: the API listens nowhere

 private:
  struct Impl;
  explicit ControlPlane(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshdns::discovery
