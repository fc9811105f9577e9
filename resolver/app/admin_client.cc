#include "resolver/app/admin_client.h"

#include <cstddef>
#include <string>
#include <variant>

#include <boost/asio/error.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Protocol = asio::generic::stream_protocol;
using Failure = boost::beast::error_code;

constexpr std::size_t kMaxBody = std::size_t{256} << 20U;
constexpr unsigned kHttp11 = 11;

Protocol::endpoint endpoint_of(const AdminAddress& address) {
  if (const auto* const path = std::get_if<std::string>(&address)) {
    return asio::local::stream_protocol::endpoint(*path);
  }
  const auto& socket = std::get<SocketAddress>(address);
  return asio::ip::tcp::endpoint(asio::ip::make_address(socket.ip.to_string()), socket.port);
}

// The exchange, as a chain of completions on one io_context that ends with the body or an error.
class Exchange {
 public:
  Exchange(const AdminAddress& address, const AdminRequest& request)
      : address_(address),
        timeout_(request.timeout),
        request_(request.is_post ? http::verb::post : http::verb::get, request.target, kHttp11) {
    const auto* const tcp = std::get_if<SocketAddress>(&address);
    request_.set(http::field::host, tcp == nullptr ? "localhost" : tcp->to_string());
    request_.body() = request.body;
    request_.prepare_payload();
    response_.body_limit(kMaxBody);
  }

  Result<AdminAnswer> run() {
    stream_.expires_after(timeout_);
    stream_.async_connect(endpoint_of(address_),
                          [this](const Failure& failure) { on_connect(failure); });
    io_.run();
    if (failure_) {
      return fail(code_of(failure_), fmt::format("no answer from {}: {} (is `meshdns run` up, and "
                                                 "is this where it listens?)",
                                                 to_string(address_), failure_.message()));
    }
    return AdminAnswer{response_.get().result_int(), response_.get().body()};
  }

 private:
  [[nodiscard]] ErrorCode code_of(const Failure& failure) const {
    if (is_connected_) {
      return ErrorCode::kNetwork;
    }
    const bool is_absent = failure == asio::error::connection_refused ||
                           failure == boost::system::errc::no_such_file_or_directory ||
                           failure == boost::system::errc::not_a_directory;
    return is_absent                               ? ErrorCode::kUnavailable
           : failure == asio::error::access_denied ? ErrorCode::kPermissionDenied
                                                   : ErrorCode::kNetwork;
  }

  void on_connect(const Failure& failure) {
    failure_ = failure;
    is_connected_ = !failure;
    if (is_connected_) {
      http::async_write(stream_, request_,
                        [this](const Failure& sent, std::size_t) { on_sent(sent); });
    }
  }

  void on_sent(const Failure& failure) {
    failure_ = failure;
    if (!failure) {
      http::async_read(stream_, buffer_, response_,
                       [this](const Failure& received, std::size_t) { failure_ = received; });
    }
  }

  AdminAddress address_;
  std::chrono::seconds timeout_;
  asio::io_context io_{1};
  boost::beast::basic_stream<Protocol> stream_{io_};
  http::request<http::string_body> request_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> response_;
  Failure failure_;
  bool is_connected_ = false;
};

}  // namespace

std::string to_string(const AdminAddress& address) {
  const auto* const tcp = std::get_if<SocketAddress>(&address);
  return tcp == nullptr ? std::get<std::string>(address) : "http://" + tcp->to_string();
}

Result<AdminAnswer> ask_admin(const AdminAddress& address, const AdminRequest& request) {
  const auto* const path = std::get_if<std::string>(&address);
  constexpr std::size_t kLongestPath = 107;  // unix(7)
  if (path != nullptr && path->size() > kLongestPath) {
    return fail(ErrorCode::kUnavailable,
                *path + " is too long for the name of a unix socket: use a shorter --state-dir");
  }
  return Exchange(address, request).run();
}

}  // namespace meshdns::dns
