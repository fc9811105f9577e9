#include "discovery/feeds/kuma_socket.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"

namespace meshdns::discovery {
namespace {

namespace http = boost::beast::http;
using Unix = boost::asio::local::stream_protocol;
using Failure = boost::beast::error_code;

constexpr unsigned kHttp11 = 11;
constexpr const char* kTarget = "/dns";

// What there is instead of a socket that is listened on. connect(2) says "connection refused" of
// all of these.
std::string_view describe_place(const std::string& path) {
  std::error_code error;
  switch (std::filesystem::status(path, error).type()) {
    case std::filesystem::file_type::directory:
      return "is a folder, no socket";
    case std::filesystem::file_type::socket:
      return "nobody listens there";
    default:
      return "is no socket";
  }
}

std::string describe_connect(const std::string& path, const Failure& failure) {
  constexpr std::string_view kHelp =
      "is kuma-dp up, and is this kuma-mesh-metric-config.sock of its --work-dir?";
  if (failure == boost::system::errc::no_such_file_or_directory) {
    return fmt::format("there is none ({})", kHelp);
  }
  if (failure == boost::asio::error::access_denied) {
    return "it may not be opened (this process needs the rights of kuma-dp's user on it, and on "
           "the folders above)";
  }
  if (failure == boost::asio::error::connection_refused) {
    return fmt::format("{} ({})", describe_place(path), kHelp);
  }
  return failure.message();
}

std::string describe_exchange(const KumaSocket::Options& options, const Failure& failure) {
  if (failure == http::error::body_limit) {
    return fmt::format("its table is larger than {} octets", options.max_body_octets);
  }
  if (failure == http::error::end_of_stream) {
    return "it hangs up without an answer";
  }
  if (failure == http::error::partial_message) {
    return "its answer ends in the middle";
  }
  const bool is_parsers = failure.category() == Failure(http::error::bad_version).category();
  return is_parsers ? fmt::format("what it says is no HTTP: {}", failure.message())
                    : failure.message();
}

}  // namespace

// A chain of completions that ends with the answer; kept by whichever is under way.
class KumaSocket::Exchange : public std::enable_shared_from_this<KumaSocket::Exchange> {
 public:
  Exchange(boost::asio::io_context& io, const Options& options, const std::string& etag,
           OnAnswer on_answer)
      : options_(options),
        stream_(io),
        request_(http::verb::get, kTarget, kHttp11),
        on_answer_(std::move(on_answer)) {
    request_.set(http::field::host, "localhost");
    request_.set(http::field::connection, "close");
    if (!etag.empty()) {
      request_.set(http::field::if_none_match, etag);
    }
    response_.body_limit(options.max_body_octets);
  }

  void start() {
    stream_.expires_after(options_.deadline);
    stream_.async_connect(
        Unix::endpoint(options_.path),
        [self = shared_from_this()](const Failure& failure) { self->on_connect(failure); });
  }

  void cancel() {
    on_answer_ = nullptr;
    stream_.close();
  }

 private:
  void on_connect(const Failure& failure) {
    if (failure) {
      fail_with(failure, describe_connect(options_.path, failure));
      return;
    }
    http::async_write(
        stream_, request_,
        [self = shared_from_this()](const Failure& sent, std::size_t) { self->on_sent(sent); });
  }

  void on_sent(const Failure& failure) {
    // Who hangs up before it has heard everything may have said why.
    if (failure && failure != boost::asio::error::broken_pipe) {
      fail_with(failure, describe_exchange(options_, failure));
      return;
    }
    http::async_read(stream_, buffer_, response_,
                     [self = shared_from_this()](const Failure& received, std::size_t) {
                       self->on_received(received);
                     });
  }

  void on_received(const Failure& failure) {
    if (failure) {
      fail_with(failure, describe_exchange(options_, failure));
      return;
    }
    auto& message = response_.get();
    const bool asked_for_change = request_.find(http::field::if_none_match) != request_.end();
    switch (message.result()) {
      case http::status::ok:
        finish(KumaAnswer{.kind = KumaAnswer::Kind::kTable,
                          .table = {.json = std::move(message.body()),
                                    .etag = std::string(message[http::field::etag])}});
        return;
      case http::status::not_found:
        finish(KumaAnswer{.kind = KumaAnswer::Kind::kNone});
        return;
      case http::status::not_modified:
        if (asked_for_change) {
          finish(KumaAnswer{.kind = KumaAnswer::Kind::kUnchanged});
          return;
        }
        break;
      default:
        break;
    }
    finish(refuse(fmt::format("it answers with status {}", message.result_int())));
  }

  void fail_with(const Failure& failure, const std::string& reason) {
    finish(refuse(failure == boost::beast::error::timeout
                      ? fmt::format("no whole answer within {} ms", options_.deadline.count())
                      : reason));
  }

  [[nodiscard]] tl::unexpected<Error> refuse(const std::string& reason) const {
    return fail(ErrorCode::kNetwork,
                fmt::format("kuma-dp's socket {}: {}", escape_text(options_.path), reason));
  }

  void finish(const Result<KumaAnswer>& answer) {
    stream_.close();
    if (const auto on_answer = std::exchange(on_answer_, nullptr)) {
      on_answer(answer);
    }
  }

  const Options options_;
  boost::beast::basic_stream<Unix> stream_;
  http::request<http::empty_body> request_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> response_;
  OnAnswer on_answer_;  // null: nobody waits any more
};

KumaSocket::KumaSocket(boost::asio::io_context& io, Options options)
    : io_(io), options_(std::move(options)) {}

KumaSocket::~KumaSocket() { cancel(); }

void KumaSocket::ask(const std::string& etag, OnAnswer on_answer) {
  cancel();
  exchange_ = std::make_shared<Exchange>(io_, options_, etag, std::move(on_answer));
  exchange_->start();
}

void KumaSocket::cancel() {
  if (exchange_) {
    exchange_->cancel();
    exchange_.reset();
  }
}

}  // namespace meshdns::discovery
