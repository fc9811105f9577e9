#include "discovery/control/api_server.h"

#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/http_server.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {
namespace {

constexpr unsigned kFirstError = 400;
constexpr unsigned kFirstFailure = 500;

Counter& requests(MetricRegistry& registry, const std::string& result) {
  return registry.counter("meshdns_control_api_requests_total",
                          "Requests to the API by what came of them.", {{"result", result}});
}

// Nothing: it is to listen nowhere.
Result<std::optional<SocketAddress>> address_of(const ApiServer::Options& options) {
  if (options.listen.empty() || options.listen == "off") {
    return std::nullopt;
  }
  const auto address = SocketAddress::parse(options.listen);
  if (!address) {
    return fail("--api", address.error());
  }
  if (!address->ip.is_loopback() && !options.allow_remote) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--api {}: whoever reaches this address could change the mesh, since "
                            "the API asks nobody who they are; listen on 127.0.0.1, or say "
                            "--allow-remote-api",
                            options.listen));
  }
  return *address;
}

bool is_there(FileSystem& files, const std::string& path) {
  return files.open(path, O_RDONLY | O_NONBLOCK, 0).has_value();
}

}  // namespace

ApiServer::ApiServer(boost::asio::io_context& io, DataplaneStore& store, const WallClock& clock,
                     MetricRegistry& registry, Logger& logger)
    : held_(registry.gauge("meshdns_control_api_entities",
                           "Entities that came over the API and are kept.")),
      answered_(requests(registry, "answered")),
      refused_(requests(registry, "refused")),
      failed_(requests(registry, "failed")),
      entities_(io, store, clock, logger),
      api_(entities_, store) {}

Result<std::unique_ptr<ApiServer>> ApiServer::start(boost::asio::io_context& io,
                                                    const Options& options, DataplaneStore& store,
                                                    FileSystem& files, const WallClock& clock,
                                                    MetricRegistry& registry, Logger& logger,
                                                    std::function<void()> on_change) {
  const auto address = address_of(options);
  if (!address) {
    return tl::unexpected(address.error());
  }
  std::unique_ptr<ApiServer> server(new ApiServer(io, store, clock, registry, logger));
  // A folder that nobody needs is not made.
  if (*address || is_there(files, options.state_dir + "/entities.log")) {
    server->entities_.load(options.state_dir, files);
  }
  server->held_.set(static_cast<double>(server->entities_.size()));
  server->entities_.on_change([&made = *server, listener = std::move(on_change)] {
    made.held_.set(static_cast<double>(made.entities_.size()));
    listener();
  });
  if (const std::optional<SocketAddress>& wanted = *address) {
    if (auto listening = server->listen(io, *wanted); !listening) {
      return tl::unexpected(std::move(listening.error()));
    }
  }
  return server;
}

Result<void> ApiServer::listen(boost::asio::io_context& io, const SocketAddress& address) {
  auto started =
      HttpServer::start(io, address, {.body_bytes = kMaxDocumentBytes},
                        [this](const HttpRequest& request, const HttpServer::Reply& reply) {
                          handle(request, reply);
                        });
  if (!started) {
    return fail(started.error().code,
                started.error().message +
                    " for the API; choose another with --api, or switch it off with --api off");
  }
  server_ = *std::move(started);
  return {};
}

void ApiServer::handle(const HttpRequest& request, const HttpServer::Reply& reply) {
  api_.handle(request, [this, reply](HttpAnswer answer) {
    Counter& counter = answer.status < kFirstError     ? answered_
                       : answer.status < kFirstFailure ? refused_
                                                       : failed_;
    counter.add();
    reply(std::move(answer));
  });
}

}  // namespace meshdns::discovery
