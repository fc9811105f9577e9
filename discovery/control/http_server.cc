#include "discovery/control/http_server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::size_t kMaxConnections = 32;
constexpr std::uint32_t kMaxHeaderBytes = 8192;
constexpr std::size_t kReadBytes = 16384;
constexpr std::chrono::seconds kRequestTimeout{10};
constexpr std::chrono::milliseconds kAcceptPause{100};
// RFC 9110 section 15.2.1.
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string text_of(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(asio::io_context& context, std::size_t body_bytes, Handler handle_request)
      : acceptor(context),
        pause(context),
        max_body_bytes(body_bytes),
        handler(std::move(handle_request)) {}

  // One request on one connection.
  struct Session : std::enable_shared_from_this<Session> {
    Session(std::shared_ptr<Impl> owner, tcp::socket socket)
        : impl(std::move(owner)), stream(std::move(socket)) {
      ++impl->connections;
      place = impl->reading.insert(impl->reading.end(), this);
      parser.header_limit(kMaxHeaderBytes);
      parser.body_limit(impl->max_body_bytes);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
      stop_reading();
      --impl->connections;
    }

    void stop_reading() {
      if (reads) {
        impl->reading.erase(place);
        reads = false;
      }
    }

    void run() {
      stream.expires_after(kRequestTimeout);
      http::async_read_header(stream, buffer, parser,
                              [self = shared_from_this()](beast::error_code error, std::size_t) {
                                if (!self->give_up(error)) {
                                  self->read_body();
                                }
                              });
    }

    void read_body() {
      if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        asio::async_write(stream, asio::buffer(kContinue.data(), kContinue.size()),
                          [self = shared_from_this()](beast::error_code error, std::size_t) {
                            if (!error) {
                              self->read_rest();
                            }
                          });
      } else {
        read_rest();
      }
    }

    void read_rest() {
      http::async_read(stream, buffer, parser,
                       [self = shared_from_this()](beast::error_code error, std::size_t) {
                         if (!self->give_up(error)) {
                           self->stop_reading();
                           self->handle();
                         }
                       });
    }

    // Whether this ends the request.
    bool give_up(beast::error_code error) {
      if (error == http::error::body_limit) {
        stop_reading();
        reply({413, "text/plain",
               fmt::format("the body is longer than {} octets\n", impl->max_body_bytes)});
      }
      return static_cast<bool>(error);
    }

    void handle() {
      auto& message = parser.get();
      const std::string target = text_of(message.target());
      const std::size_t path_end = std::min(target.find('?'), target.size());
      const HttpRequest request{
          .method = text_of(message.method_string()),
          .path = target.substr(0, path_end),
          .query = path_end < target.size() ? target.substr(path_end + 1) : std::string(),
          .host = text_of(message[http::field::host]),
          .origin = text_of(message[http::field::origin]),
          .content_type = text_of(message[http::field::content_type]),
          .body = std::move(message.body())};
      // The client has this long again to take the answer, however late that comes.
      stream.expires_never();
      impl->handler(request, [self = shared_from_this()](HttpAnswer answer) {
        self->reply(std::move(answer));
      });
    }

    void reply(HttpAnswer answer) {
      if (std::exchange(replied, true)) {
        return;
      }
      stream.expires_after(kRequestTimeout);
      response.result(answer.status);
      response.set(http::field::content_type, answer.content_type);
      if (!answer.allow.empty()) {
        response.set(http::field::allow, answer.allow);
      }
      response.body() = std::move(answer.body);
      response.keep_alive(false);
      response.prepare_payload();
      http::async_write(stream, response,
                        [self = shared_from_this()](beast::error_code error, std::size_t) {
                          beast::error_code ignored;
                          self->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
                          if (!error && !self->parser.is_done()) {
                            self->drain();
                          }
                        });
    }

    // A client that is still sending would see a reset instead of the answer if its octets were
    // left unread.
    void drain() {
      stream.async_read_some(asio::buffer(waste),
                             [self = shared_from_this()](beast::error_code error, std::size_t) {
                               if (!error) {
                                 self->drain();
                               }
                             });
    }

    std::shared_ptr<Impl> impl;
    std::list<Session*>::iterator place;  // in impl->reading, while `reads`
    bool reads = true;
    bool replied = false;
    beast::tcp_stream stream;
    beast::flat_buffer buffer{kMaxHeaderBytes + kReadBytes};
    http::request_parser<http::string_body> parser;
    http::response<http::string_body> response;
    std::array<char, kReadBytes> waste{};
  };

  void accept() {
    acceptor.async_accept([self = shared_from_this()](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !self->acceptor.is_open()) {
        return;
      }
      if (error) {  // no descriptors: wait until some are free again
        self->pause.expires_after(kAcceptPause);
        self->pause.async_wait([self](beast::error_code stopped) {
          if (!stopped) {
            self->accept();
          }
        });
        return;
      }
      if (self->connections < kMaxConnections || self->evict_oldest_reader()) {
        std::make_shared<Session>(self, std::move(socket))->run();
      }
      self->accept();
    });
  }

  // Closes the connection that has waited longest for its request; false if none waits.
  bool evict_oldest_reader() {
    if (reading.empty()) {
      return false;
    }
    Session& oldest = *reading.front();
    oldest.stop_reading();
    oldest.stream.close();
    return true;
  }

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::size_t max_body_bytes;
  Handler handler;
  std::size_t connections = 0;
  std::list<Session*> reading;  // the oldest first
};

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  beast::error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->pause.cancel();
  impl_->handler = [](const HttpRequest&, const Reply& reply) {
    reply({503, "text/plain", "shutting down\n"});
  };
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(asio::io_context& io,
                                                      const SocketAddress& address,
                                                      std::size_t max_body_bytes, Handler handler) {
  auto impl = std::make_shared<Impl>(io, max_body_bytes, std::move(handler));
  const tcp::endpoint endpoint(asio::ip::make_address(address.ip.to_string()), address.port);
  beast::error_code error;
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) {
    impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  }
  if (!error) {
    impl->acceptor.bind(endpoint, error);
  }
  if (!error) {
    impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  }
  if (error) {
    return fail(ErrorCode::kNetwork,
                fmt::format("cannot listen on {}: {}", address.to_string(), error.message()));
  }
  impl->accept();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::uint16_t HttpServer::port() const { return impl_->acceptor.local_endpoint().port(); }

}  // namespace meshdns::discovery
