#include "discovery/control/http_server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
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
constexpr std::chrono::seconds kAnswerTimeout{10};
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kCancelPause{10};
// RFC 9110 section 15.2.1.
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// To a client that begins a TLS handshake (RFC 8446 section 5.1), which reads no HTTP.
constexpr std::string_view kNoTls = "HTTP/1.1 400 this port speaks HTTP without TLS\r\n\r\n";
constexpr std::string_view kTlsHandshake = "\x16\x03";

using Parser = http::request_parser<http::string_body>;

std::string text_of(beast::string_view text) { return {text.data(), text.size()}; }

HttpAnswer refusal(unsigned status, const std::string& reason) {
  return {status, "text/plain", reason + "\n"};
}

// What is answered to what `parser` could not take; nothing where the connection is at fault. The
// reason has none of the client's octets.
std::optional<HttpAnswer> refusal_of(beast::error_code error, const Parser& parser,
                                     std::size_t max_body_bytes) {
  if (error == http::error::body_limit) {
    return refusal(413, fmt::format("the body is longer than {} octets", max_body_bytes));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return parser.get().target().empty()
               ? refusal(414,
                         fmt::format("the request line is longer than {} octets", kMaxHeaderBytes))
               : refusal(431, fmt::format("the header is longer than {} octets", kMaxHeaderBytes));
  }
  if (error == http::error::partial_message) {
    return refusal(400, "the request ends before it is whole");
  }
  if (error == http::error::end_of_stream ||
      error.category() != http::make_error_code(http::error::bad_method).category()) {
    return std::nullopt;
  }
  return refusal(400, "this is no HTTP request: " + error.message());
}

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(asio::io_context& context, Limits limits_of_requests, Handler handle_request)
      : acceptor(context),
        pause(context),
        limits(limits_of_requests),
        handler(std::move(handle_request)) {}

  // One request on one connection.
  struct Session : std::enable_shared_from_this<Session> {
    Session(std::shared_ptr<Impl> owner, tcp::socket socket)
        : impl(std::move(owner)), stream(std::move(socket)), deadline(stream.get_executor()) {
      ++impl->connections;
      place = impl->dispensable.insert(impl->dispensable.end(), this);
      parser.header_limit(kMaxHeaderBytes);
      parser.body_limit(impl->limits.body_bytes);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
      keep();
      --impl->connections;
    }

    // From now on it makes way for no other.
    void keep() {
      if (place) {
        impl->dispensable.erase(*place);
        place.reset();
      }
    }

    // What follows a step of the reading.
    [[nodiscard]] auto then(void (Session::*next)()) {
      return [self = shared_from_this(), next](beast::error_code error, std::size_t) {
        if (error || self->late) {
          self->refuse(error);
        } else {
          (self.get()->*next)();
        }
      };
    }

    // What follows an answer.
    [[nodiscard]] auto written() {
      return [self = shared_from_this()](beast::error_code error, std::size_t) {
        beast::error_code ignored;
        self->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
        if (!error && !self->parser.is_done()) {
          self->place = self->impl->dispensable.insert(self->impl->dispensable.begin(), self.get());
          self->drain();
        }
      };
    }

    void run() {
      end_after(impl->limits.request_time);
      http::async_read_header(stream, buffer, parser, then(&Session::read_body));
    }

    void read_body() {
      if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        asio::async_write(stream, asio::buffer(kContinue.data(), kContinue.size()),
                          then(&Session::read_rest));
      } else {
        read_rest();
      }
    }

    void read_rest() { http::async_read(stream, buffer, parser, then(&Session::handle)); }

    void end_after(std::chrono::milliseconds time) {
      deadline.expires_after(time);
      deadline.async_wait([weak = weak_from_this()](beast::error_code stopped) {
        const auto self = weak.lock();
        if (self && !stopped && self->reading) {
          self->late = true;
          self->stream.cancel();
          self->end_after(kCancelPause);  // it may have been between two reads
        }
      });
    }

    // Says why there is no request, where anybody would read that.
    void refuse(beast::error_code error) {
      auto answer =
          late ? std::optional(refusal(408, fmt::format("the request did not come within {} ms",
                                                        impl->limits.request_time.count())))
               : refusal_of(error, parser, impl->limits.body_bytes);
      if (answer && parser.get().target().empty() && begins_with(kTlsHandshake)) {
        end_reading();
        stream.expires_after(kAnswerTimeout);
        asio::async_write(stream, asio::buffer(kNoTls.data(), kNoTls.size()), written());
      } else if (answer) {
        reply(*std::move(answer));
      }
    }

    // Whether this is what a parser that took nothing has before it.
    [[nodiscard]] bool begins_with(std::string_view octets) const {
      const auto data = buffer.data();
      return std::string_view(static_cast<const char*>(data.data()), data.size())
          .starts_with(octets);
    }

    void end_reading() {
      reading = false;
      deadline.cancel();
      keep();
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
      end_reading();
      impl->handler(request, [self = shared_from_this()](HttpAnswer answer) {
        self->reply(std::move(answer));
      });
    }

    void reply(HttpAnswer answer) {
      if (std::exchange(replied, true)) {
        return;
      }
      end_reading();
      // However late the answer comes, the client has this long to take it.
      stream.expires_after(kAnswerTimeout);
      response.result(answer.status);
      response.set(http::field::content_type, answer.content_type);
      if (!answer.allow.empty()) {
        response.set(http::field::allow, answer.allow);
      }
      response.body() = std::move(answer.body);
      response.keep_alive(false);
      response.prepare_payload();
      http::async_write(stream, response, written());
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
    std::optional<std::list<Session*>::iterator> place;  // in impl->dispensable, while it is there
    bool reading = true;
    bool late = false;  // and still reading
    bool replied = false;
    beast::tcp_stream stream;
    asio::steady_timer deadline;  // of the request
    beast::flat_buffer buffer{kMaxHeaderBytes + kReadBytes};
    Parser parser;
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
      if (self->connections < kMaxConnections || self->evict_one()) {
        std::make_shared<Session>(self, std::move(socket))->run();
      }
      self->accept();
    });
  }

  // Closes a connection that has been told what it will be, or the one that has waited longest for
  // its request; false where there is none.
  bool evict_one() {
    if (dispensable.empty()) {
      return false;
    }
    Session& first = *dispensable.front();
    first.keep();
    first.stream.close();
    return true;
  }

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  Limits limits;
  Handler handler;
  std::size_t connections = 0;
  std::list<Session*> dispensable;  // who goes first stands first
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
                                                      const SocketAddress& address, Limits limits,
                                                      Handler handler) {
  auto impl = std::make_shared<Impl>(io, limits, std::move(handler));
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
