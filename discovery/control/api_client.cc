#include "discovery/control/api_client.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

constexpr std::chrono::seconds kTimeout{30};
constexpr std::string_view kLocalhost = "localhost:";

// One request on a connection of its own; what comes first ends it: the answer, an error, the time.
class Exchange {
 public:
  Exchange(tcp::endpoint server, http::request<http::string_body> request)
      : server_(std::move(server)), request_(std::move(request)) {
    parser_.body_limit(ApiClient::kMaxReplyBytes);
  }

  Result<ApiReply> run() {
    stream_.expires_after(kTimeout);
    stream_.async_connect(server_, [this](beast::error_code error) {
      if (!failed(error)) {
        write();
      }
    });
    io_.run();
    if (error_) {
      return fail(ErrorCode::kNetwork, error_.message());
    }
    return ApiReply{parser_.get().result_int(), std::move(parser_.get().body())};
  }

 private:
  void write() {
    http::async_write(stream_, request_, [this](beast::error_code error, std::size_t) {
      // A server that has heard enough answers before it has read all.
      if (error != boost::asio::error::broken_pipe &&
          error != boost::asio::error::connection_reset && failed(error)) {
        return;
      }
      http::async_read(stream_, buffer_, parser_,
                       [this](beast::error_code done, std::size_t) { (void)failed(done); });
    });
  }

  bool failed(beast::error_code error) {
    error_ = error;
    return static_cast<bool>(error);
  }

  tcp::endpoint server_;
  http::request<http::string_body> request_;
  boost::asio::io_context io_{1};
  beast::tcp_stream stream_{io_};
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  beast::error_code error_;
};

}  // namespace

Result<ApiClient> ApiClient::make(const std::string& address) {
  const bool is_localhost = address.starts_with(kLocalhost);
  return SocketAddress::parse(is_localhost ? "127.0.0.1:" + address.substr(kLocalhost.size())
                                           : address)
      .map([](const SocketAddress& server) { return ApiClient(server); });
}

Result<ApiReply> ApiClient::ask(const std::string& method, const std::string& path,
                                const std::string& body) const {
  http::request<http::string_body> request;
  request.method_string(method);
  request.target(path);
  request.set(http::field::host, server_.to_string());
  request.set(http::field::connection, "close");
  request.body() = body;
  request.prepare_payload();
  const tcp::endpoint endpoint(boost::asio::ip::make_address(server_.ip.to_string()), server_.port);
  auto reply = Exchange(endpoint, std::move(request)).run();
  if (!reply) {
    return fail(ErrorCode::kNetwork,
                fmt::format("no answer from the API at {}: {}; is meshdns-cp running there? "
                            "--address names another",
                            server_.to_string(), reply.error().message));
  }
  return reply;
}

}  // namespace meshdns::discovery
