// The admin port: GET requests of operators for health, readiness, metrics, streams.
//
// Runs on the control thread's io_context, with the bounds of HttpServer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/control/http_server.h"

namespace meshdns::discovery {

class AdminHttp {
 public:
  // Answers a path; called on the io_context's thread.
  using Handler = std::function<HttpAnswer(const std::string& path)>;

  // kNetwork when the address cannot be bound.
  [[nodiscard]] static Result<std::unique_ptr<AdminHttp>> start(boost::asio::io_context& io,
                                                                const SocketAddress& address,
                                                                Handler handler);

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

 private:
  explicit AdminHttp(std::unique_ptr<HttpServer> server) : server_(std::move(server)) {}
  std::unique_ptr<HttpServer> server_;
};

}  // namespace meshdns::discovery
