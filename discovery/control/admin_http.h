// A small HTTP server for GET requests of operators: health, readiness, metrics,
// streams.
//
// Runs on the control thread's io_context. Bounded: 32 connections, 8 KiB of header, 10 s a
// request. When all connections are taken, the one that has waited longest for its request makes
// way, so that idle clients keep no probe out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain";
  std::string body;
};

class AdminHttp {
 public:
  // Answers a path; called on the io_context's thread.
  using Handler = std::function<HttpAnswer(const std::string& path)>;

  // kNetwork when the address cannot be bound.
  [[nodiscard]] static Result<std::unique_ptr<AdminHttp>> start(boost::asio::io_context& io,
                                                                const SocketAddress& address,
                                                                Handler handler);
  AdminHttp(const AdminHttp&) = delete;
  AdminHttp& operator=(const AdminHttp&) = delete;
  ~AdminHttp();

  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Impl;
  explicit AdminHttp(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace meshdns::discovery
