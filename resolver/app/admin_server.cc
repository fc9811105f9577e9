#include "resolver/app/admin_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unistd.h>
#include <utility>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::dns {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Protocol = asio::generic::stream_protocol;  // TCP or a unix socket
using Request = http::request<http::string_body>;

// How long to wait when the process has no descriptor left for a connection.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr unsigned kHttp11 = 11;

AdminReply not_found(const AdminServer::Routes& routes) {
  AdminReply reply;
  reply.status = 404;
  reply.body = "no such path; there are:\n";
  for (const auto& [path, handler] : routes) {
    reply.body += path + "\n";
  }
  return reply;
}

// Of a target in origin form or, as a proxy's client sends it, absolute form (RFC 9112
// section 3.2).
struct Target {
  std::string_view host;  // empty in origin form
  std::string_view path;
  std::string_view query;
};

Target parse_target(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  Target target;
  if (text.starts_with(kScheme)) {
    text.remove_prefix(kScheme.size());
    const auto slash = std::min(text.find('/'), text.size());
    target.host = text.substr(0, slash);
    text = slash == text.size() ? "/" : text.substr(slash);
  }
  const auto mark = std::min(text.find('?'), text.size());
  target.path = text.substr(0, mark);
  target.query = text.substr(std::min(mark + 1, text.size()));
  return target;
}

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Whether the text of a Host header names this machine in a way that no page from elsewhere can: an
// address, a name without a dot (public names have one), or the machine's own name.
bool is_own_host(std::string_view host) {
  if (host.starts_with('[')) {
    return true;  // an IPv6 address
  }
  host = host.substr(0, host.rfind(':'));
  if (host.find('.') == std::string_view::npos || IpAddress::parse(host)) {
    return true;
  }
  constexpr std::size_t kLongestName = 256;
  std::array<char, kLongestName> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && host == name.data();
}

AdminReply error_reply(unsigned status, std::string text) {
  AdminReply reply;
  reply.status = status;
  reply.body = std::move(text) + "\n";
  return reply;
}

}  // namespace

// What outlives the AdminServer while callbacks are pending: the acceptor, the routes and the open
// sessions.
class AdminServer::Core : public std::enable_shared_from_this<AdminServer::Core> {
 public:
  Core(asio::io_context& io, Options options, Routes routes, Changes changes, Logger& logger)
      : options_(std::move(options)),
        routes_(std::move(routes)),
        changes_(std::move(changes)),
        logger_(logger),
        acceptor_(io),
        pause_(io) {}

  [[nodiscard]] Result<void> listen();
  void accept();
  void close();
  [[nodiscard]] std::uint16_t port() const {
    const auto address = SocketAddress::from_sockaddr(*acceptor_.local_endpoint().data());
    return address ? address->port : std::uint16_t{0};
  }

 private:
  class Session;

  [[nodiscard]] AdminReply answer(const Request& request) const;
  // The changer of a POST; null when the request is none, or of no such path.
  [[nodiscard]] const Changer* changer_of(const Request& request) const;
  [[nodiscard]] bool is_unix() const { return !options_.unix_path.empty(); }
  [[nodiscard]] Result<void> listen_on_path();
  // Closes the connection that has waited longest for a request, or else the one that has been slow
  // for longest to take its reply; false if there is neither.
  [[nodiscard]] bool evict();

  Options options_;
  Routes routes_;
  Changes changes_;
  Logger& logger_;
  asio::basic_socket_acceptor<Protocol> acceptor_;
  asio::steady_timer pause_;
  std::set<Session*> sessions_;  // each removes itself when its last callback is gone
  bool closed_ = false;
};

// One connection: read a request, write its reply, again while the client keeps it open.
class AdminServer::Core::Session : public std::enable_shared_from_this<Session> {
 public:
  using Clock = std::chrono::steady_clock;

  Session(std::shared_ptr<Core> core, Protocol::socket socket)
      : core_(std::move(core)), stream_(std::move(socket)) {
    core_->sessions_.insert(this);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { core_->sessions_.erase(this); }

  void read();
  void close() {
    waits_since_.reset();
    writes_since_.reset();
    stream_.close();
  }
  // Set while it waits for a request, or for the rest of one.
  [[nodiscard]] std::optional<Clock::time_point> waits_since() const { return waits_since_; }
  // Set while a reply, or a piece of one, is on its way to the client.
  [[nodiscard]] std::optional<Clock::time_point> writes_since() const { return writes_since_; }

 private:
  void on_request(const error_code& error);
  void change(const Changer& changer, const Request& request);
  void reply(AdminReply reply, unsigned version, bool keep_alive, bool with_body);
  void write_whole(AdminReply reply, bool with_body);
  void write_piece(std::string text);
  void begin_write();
  void next_piece();
  void finish();

  // Makes a callback that keeps the session alive and does nothing after an error.
  template <typename Next>
  auto then(Next next) {
    return [self = this->shared_from_this(), next](const error_code& error, std::size_t) {
      if (!error) {
        (self.get()->*next)();
      }
    };
  }

  std::shared_ptr<Core> core_;
  boost::beast::basic_stream<Protocol> stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> head_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  std::function<std::optional<std::string>()> pieces_;
  std::string piece_;
  std::optional<Clock::time_point> waits_since_;
  std::optional<Clock::time_point> writes_since_;
};

void AdminServer::Core::Session::read() {
  writes_since_.reset();
  waits_since_ = Clock::now();
  auto& parser = parser_.emplace();
  parser.header_limit(core_->options_.max_header_bytes);
  parser.body_limit(core_->changes_.empty() ? 0 : core_->options_.max_change_bytes);
  stream_.expires_after(core_->options_.request_timeout);
  http::async_read(stream_, buffer_, parser,
                   [self = this->shared_from_this()](const error_code& error, std::size_t) {
                     self->on_request(error);
                   });
}

void AdminServer::Core::Session::on_request(const error_code& error) {
  waits_since_.reset();
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    reply(error_reply(431, "the request's header is too long"), kHttp11, false, true);
    return;
  }
  if (error == http::error::body_limit && !core_->changes_.empty()) {
    reply(error_reply(413, fmt::format("the request is longer than {} octets",
                                       core_->options_.max_change_bytes)),
          kHttp11, false, true);
    return;
  }
  if (error.category() == http::make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    reply(error_reply(400, "this is no request that is served here: " + error.message()), kHttp11,
          false, true);
    return;
  }
  if (error || !parser_) {
    return;
  }
  const auto& request = parser_->get();
  if (const Changer* const changer = core_->changer_of(request)) {
    change(*changer, request);
    return;
  }
  const bool with_body = request.method() != http::verb::head;
  reply(core_->answer(request), request.version(), request.keep_alive(), with_body);
}

void AdminServer::Core::Session::change(const Changer& changer, const Request& request) {
  const AdminChange change{.query = std::string(parse_target(view_of(request.target())).query),
                           .body = request.body()};
  changer(change, [self = shared_from_this(), version = request.version()](AdminReply reply) {
    self->reply(std::move(reply), version, false, true);
  });
}

void AdminServer::Core::Session::reply(AdminReply reply, unsigned version, bool keep_alive,
                                       bool with_body) {
  head_ = {};
  head_.version(version);
  head_.result(reply.status);
  head_.set(http::field::content_type, reply.content_type);
  head_.set(http::field::cache_control, "no-store");
  head_.set("X-Content-Type-Options", "nosniff");
  if (reply.status == 405) {
    head_.set(http::field::allow, "GET, HEAD");
  }
  // HTTP/1.0 has no chunks: the end of the connection ends the reply.
  head_.keep_alive(keep_alive && (!reply.next_piece || version >= kHttp11));
  write_whole(std::move(reply), with_body);
}

void AdminServer::Core::Session::write_whole(AdminReply reply, bool with_body) {
  pieces_ = with_body ? std::move(reply.next_piece) : nullptr;
  if (pieces_) {
    head_.chunked(head_.version() >= kHttp11);
    piece_ = std::move(reply.body);
  } else {
    head_.content_length(reply.body.size());
    head_.body() = with_body ? std::move(reply.body) : std::string();
  }
  serializer_.emplace(head_);
  begin_write();
  if (pieces_) {
    http::async_write_header(stream_, *serializer_, then(&Session::next_piece));
  } else {
    http::async_write(stream_, *serializer_, then(&Session::finish));
  }
}

void AdminServer::Core::Session::next_piece() {
  if (!piece_.empty()) {
    write_piece(std::exchange(piece_, {}));
    return;
  }
  std::optional<std::string> piece;
  do {  // An empty chunk would end the reply.
    piece = pieces_();
  } while (piece && piece->empty());
  if (piece) {
    write_piece(*std::move(piece));
    return;
  }
  pieces_ = nullptr;
  begin_write();
  if (head_.chunked()) {
    asio::async_write(stream_, http::make_chunk_last(), then(&Session::finish));
  } else {
    finish();
  }
}

void AdminServer::Core::Session::write_piece(std::string text) {
  head_.body() = std::move(text);  // holds the octets while they are written
  begin_write();
  const auto octets = asio::buffer(head_.body());
  if (head_.chunked()) {
    asio::async_write(stream_, http::make_chunk(octets), then(&Session::next_piece));
  } else {
    asio::async_write(stream_, octets, then(&Session::next_piece));
  }
}

void AdminServer::Core::Session::begin_write() {
  writes_since_ = Clock::now();
  stream_.expires_after(core_->options_.write_timeout);
}

void AdminServer::Core::Session::finish() {
  writes_since_.reset();
  if (head_.keep_alive()) {
    read();
    return;
  }
  error_code ignored;
  stream_.socket().shutdown(Protocol::socket::shutdown_send, ignored);
}

const AdminServer::Changer* AdminServer::Core::changer_of(const Request& request) const {
  if (request.method() != http::verb::post) {
    return nullptr;
  }
  const auto changer = changes_.find(parse_target(view_of(request.target())).path);
  return changer == changes_.end() ? nullptr : &changer->second;
}

AdminReply AdminServer::Core::answer(const Request& request) const {
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    return error_reply(405,
                       "only GET and HEAD are served here (changes: see `meshdns vip --help`)");
  }
  const Target target = parse_target(view_of(request.target()));
  const auto header = request.find(http::field::host);
  const std::string_view host = !target.host.empty()      ? target.host
                                : header == request.end() ? std::string_view()
                                                          : view_of(header->value());
  if (!is_unix() && !is_own_host(host)) {
    return error_reply(421, "the Host '" + escape_name(host) +
                                "' is not this machine; ask by its address or its own name");
  }
  const auto route = routes_.find(target.path);
  if (route == routes_.end()) {
    return not_found(routes_);
  }
  try {
    return route->second();
  } catch (const std::exception& error) {
    logger_.error("admin request failed path={} reason={}", route->first, error.what());
    return error_reply(500, "the request failed; the log says why");
  }
}

// The file is made for its owner alone: bind(2) gives it the mode that the umask leaves.
Result<void> AdminServer::Core::listen_on_path() {
  const std::string& path = options_.unix_path;
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(ErrorCode::kNetwork,
                fmt::format("{} is too long for the name of a unix socket", path));
  }
  ::unlink(path.c_str());
  const Protocol::endpoint endpoint = asio::local::stream_protocol::endpoint(path);
  error_code error;
  acceptor_.open(Protocol(AF_UNIX, 0), error);
  if (!error) {
    const mode_t before = ::umask(S_IRWXG | S_IRWXO | S_IXUSR);
    acceptor_.bind(endpoint, error);
    ::umask(before);
  }
  if (!error) {
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
  }
  if (error) {
    return fail(ErrorCode::kNetwork,
                fmt::format("cannot serve admin HTTP on {}: {}", path, error.message()));
  }
  return {};
}

Result<void> AdminServer::Core::listen() {
  if (is_unix()) {
    return listen_on_path();
  }
  UniqueFd socket(options_.socket);
  if (!socket.valid()) {
    auto bound = bind(options_.listen);
    if (!bound) {
      return tl::unexpected(std::move(bound.error()));
    }
    socket = *std::move(bound);
  }
  error_code error;
  const int family = options_.listen.ip.is_v4() ? AF_INET : AF_INET6;
  acceptor_.assign(Protocol(family, IPPROTO_TCP), socket.get(), error);
  if (error) {
    return fail(ErrorCode::kNetwork, fmt::format("cannot serve admin HTTP on {}: {}",
                                                 options_.listen.to_string(), error.message()));
  }
  static_cast<void>(socket.release());
  return {};
}

Result<UniqueFd> AdminServer::bind(const SocketAddress& address) {
  sockaddr_storage storage{};
  const auto size = static_cast<socklen_t>(address.to_sockaddr(storage));
  const int family = address.ip.is_v4() ? AF_INET : AF_INET6;
  const int on = 1;
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  const auto* const raw = reinterpret_cast<const sockaddr*>(&storage);
  if (!socket.valid() ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), raw, size) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
    const int error = errno;
    return fail(
        ErrorCode::kNetwork,
        errno_error(error, "cannot serve admin HTTP on " + address.to_string()).message +
            (error == EADDRINUSE ? " (stop the program that does, or choose another address)"
                                 : ""));
  }
  return socket;
}

void AdminServer::Core::accept() {
  acceptor_.async_accept(
      [self = shared_from_this()](const error_code& error, Protocol::socket socket) {
        if (self->closed_) {
          return;
        }
        if (!error && (self->sessions_.size() < self->options_.max_connections || self->evict())) {
          std::make_shared<Session>(self, std::move(socket))->read();
        }
        if (!error || error == asio::error::connection_aborted) {
          self->accept();
          return;
        }
        self->pause_.expires_after(kAcceptPause);
        self->pause_.async_wait([self](const error_code& cancelled) {
          if (!cancelled && !self->closed_) {
            self->accept();
          }
        });
      });
}

bool AdminServer::Core::evict() {
  using Since = std::optional<Session::Clock::time_point>;
  const auto oldest = [this](auto since_of) {
    std::pair<Session*, Since> found;
    for (Session* const session : sessions_) {
      const Since since = (session->*since_of)();
      if (since && (!found.second || *since < *found.second)) {
        found = {session, since};
      }
    }
    return found;
  };
  auto [chosen, since] = oldest(&Session::waits_since);
  if (chosen == nullptr) {
    std::tie(chosen, since) = oldest(&Session::writes_since);
    if (!since || Session::Clock::now() - *since < options_.slow_after) {
      return false;
    }
  }
  chosen->close();
  return true;
}

void AdminServer::Core::close() {
  closed_ = true;
  error_code ignored;
  if (acceptor_.is_open()) {
    // Another process may hold the socket too: closing alone would leave it in the reactor.
    const UniqueFd socket(acceptor_.release(ignored));
  }
  if (is_unix()) {
    ::unlink(options_.unix_path.c_str());
  }
  pause_.cancel();
  for (Session* const session : sessions_) {
    session->close();
  }
}

AdminServer::AdminServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}

AdminServer::~AdminServer() { core_->close(); }

Result<std::unique_ptr<AdminServer>> AdminServer::start(asio::io_context& io,
                                                        const Options& options, Routes routes,
                                                        Logger& logger) {
  return start(io, options, std::move(routes), {}, logger);
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(asio::io_context& io,
                                                        const Options& options, Routes routes,
                                                        Changes changes, Logger& logger) {
  auto core = std::make_shared<Core>(io, options, std::move(routes), std::move(changes), logger);
  if (auto listening = core->listen(); !listening) {
    return tl::unexpected(std::move(listening).error());
  }
  core->accept();
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(core)));
}

std::uint16_t AdminServer::port() const { return core_->port(); }

}  // namespace meshdns::dns
