// The API as a part of the control plane: its port, its entities, its metrics.
//
// Belongs to the control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/api.h"
#include "discovery/control/api_store.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/http_server.h"

namespace meshdns::discovery {

class ApiServer {
 public:
  struct Options {
    std::string listen = "127.0.0.1:5681";  // ADDRESS:PORT; empty or "off": nowhere
    // On an address that others reach, too: whoever reaches it can change the mesh.
    bool allow_remote = false;
    std::string state_dir{};
  };

  // Takes the entities that are on disk, which count whether the port is open or not. Calls
  // `on_change` after each change. kInvalidArgument for an address that is none or that others
  // reach, kNetwork when it cannot be bound. References outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<ApiServer>> start(
      boost::asio::io_context& io, const Options& options, DataplaneStore& store, FileSystem& files,
      const WallClock& clock, MetricRegistry& registry, Logger& logger,
      std::function<void()> on_change);
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;
  ~ApiServer() = default;

  // 0 where it listens nowhere.
  [[nodiscard]] std::uint16_t port() const { return server_ ? server_->port() : 0; }
  // What is wrong, in sentences for an operator.
  [[nodiscard]] const std::vector<std::string>& problems() const { return entities_.problems(); }

 private:
  ApiServer(boost::asio::io_context& io, DataplaneStore& store, const WallClock& clock,
            MetricRegistry& registry, Logger& logger);
  [[nodiscard]] Result<void> listen(boost::asio::io_context& io, const SocketAddress& address);
  void handle(const HttpRequest& request, const HttpServer::Reply& reply);

  Gauge& held_;
  Counter& answered_;
  Counter& refused_;
  Counter& failed_;
  ApiStore entities_;
  Api api_;
  std::unique_ptr<HttpServer> server_;  // null: nowhere
};

}  // namespace meshdns::discovery
