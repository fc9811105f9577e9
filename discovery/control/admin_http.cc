#include "discovery/control/admin_http.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
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
constexpr std::chrono::seconds kRequestTimeout{10};
constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

struct AdminHttp::Impl : std::enable_shared_from_this<AdminHttp::Impl> {
  Impl(asio::io_context& context, Handler answer_path)
      : io(context), acceptor(context), pause(context), handler(std::move(answer_path)) {}

  // One request on one connection.
  struct Session : std::enable_shared_from_this<Session> {
    Session(std::shared_ptr<Impl> owner, tcp::socket socket)
        : impl(std::move(owner)), stream(std::move(socket)) {
      ++impl->connections;
      place = impl->reading.insert(impl->reading.end(), this);
      parser.header_limit(kMaxHeaderBytes);
      parser.body_limit(0);
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
      http::async_read(stream, buffer, parser,
                       [self = shared_from_this()](beast::error_code error, std::size_t) {
                         self->stop_reading();
                         if (!error) {
                           self->reply();
                         }
                       });
    }

    void reply() {
      HttpAnswer answer{405, "text/plain", "only GET is answered here\n"};
      if (parser.get().method() == http::verb::get) {
        const auto target = parser.get().target();
        const std::string path(target.data(), target.size());
        answer = impl->handler(path.substr(0, path.find('?')));
      }
      response.result(answer.status);
      response.set(http::field::content_type, answer.content_type);
      response.body() = std::move(answer.body);
      response.keep_alive(false);
      response.prepare_payload();
      http::async_write(stream, response,
                        [self = shared_from_this()](beast::error_code, std::size_t) {
                          beast::error_code ignored;
                          self->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
                        });
    }

    std::shared_ptr<Impl> impl;
    std::list<Session*>::iterator place;  // in impl->reading, while `reads`
    bool reads = true;
    beast::tcp_stream stream;
    beast::flat_buffer buffer{kMaxHeaderBytes};
    http::request_parser<http::empty_body> parser;
    http::response<http::string_body> response;
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

  asio::io_context& io;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  Handler handler;
  std::size_t connections = 0;
  std::list<Session*> reading;  // the oldest first
};

AdminHttp::AdminHttp(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminHttp::~AdminHttp() {
  beast::error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->pause.cancel();
}

Result<std::unique_ptr<AdminHttp>> AdminHttp::start(asio::io_context& io,
                                                    const SocketAddress& address, Handler handler) {
  auto impl = std::make_shared<Impl>(io, std::move(handler));
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
                fmt::format("cannot listen on {} for admin HTTP: {}; choose another with --admin",
                            address.to_string(), error.message()));
  }
  impl->accept();
  return std::unique_ptr<AdminHttp>(new AdminHttp(std::move(impl)));
}

std::uint16_t AdminHttp::port() const { return impl_->acceptor.local_endpoint().port(); }

}  // namespace meshdns::discovery
