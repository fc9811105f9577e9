// A small HTTP/1.1 server: one request a connection, answered at once or later.
//
// Runs on the control thread's io_context. Bounded: 32 connections, 8 KiB of header, the body's
// limit, 10 s for a request to come and its answer to be taken. When all connections are taken, the
// one that has waited longest for its request makes way, so that idle clients keep nobody out.
// What is no request is answered with what is wrong with it: 400, 408, 413, 414 or 431.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {

struct HttpRequest {
  std::string method;  // as written: "GET"
  std::string path;    // as written, without the query
  std::string query;   // what stands behind '?', or empty
  std::string host;
  std::string origin;        // empty: the header is not there
  std::string content_type;  // likewise
  std::string body;
};

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain";
  std::string body;
  std::string allow{};  // the header of that name, where it is not empty
};

class HttpServer {
 public:
  // To be called once, on the io_context's thread; calls after the first do nothing. The client may
  // be gone by then.
  using Reply = std::function<void(HttpAnswer)>;
  // Called on the io_context's thread.
  using Handler = std::function<void(const HttpRequest& request, Reply reply)>;

  struct Limits {
    std::size_t body_bytes = 0;
    std::chrono::milliseconds request_time{10'000};  // for all of a request to come
  };

  // kNetwork when the address cannot be bound.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(boost::asio::io_context& io,
                                                                 const SocketAddress& address,
                                                                 Limits limits, Handler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  // no handler runs after it; answers that come later go nowhere

  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace meshdns::discovery
