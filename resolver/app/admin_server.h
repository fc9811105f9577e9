// A small HTTP/1.1 server: what an operator or a scraper reads from the resolver, and, on a unix
// socket alone, what an operator changes. Knows no path by itself; the routes are the caller's.
//
// Over TCP it takes GET and HEAD, and no Host but addresses, names without a dot and this machine's
// own: a page that a browser has from elsewhere reaches it by the name of that elsewhere (DNS
// rebinding), and is refused. The unix socket belongs to its owner (0600); no browser reaches it,
// so that is where POST works.
//
// Everything runs on the io_context of the control thread. A reply of any size never holds that
// thread for long: it may be produced in pieces, each made when the one before it has left.
// Connections, header size and time are bounded; when all connections are taken, the one that has
// waited longest for a request makes way, or else the one that has not taken its reply for longest,
// so that clients which are idle, drip or do not read keep no probe out.
// Request bodies are refused, but for changes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::dns {

struct AdminReply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  // When set, what follows `body`: called on the control thread until it returns nothing. It must
  // own or outlive what it reads from, since the client may be slow.
  std::function<std::optional<std::string>()> next_piece;
};

// A request for a change.
struct AdminChange {
  std::string query;  // what follows the path's '?'
  std::string body;
};

class AdminServer {
 public:
  // Called on the control thread, once per request.
  using Handler = std::function<AdminReply()>;
  using Routes = std::map<std::string, Handler, std::less<>>;
  // The same for POST; `reply` is called on the control thread, once, at any time.
  using Reply = std::function<void(AdminReply)>;
  using Changer = std::function<void(const AdminChange& change, Reply reply)>;
  using Changes = std::map<std::string, Changer, std::less<>>;

  struct Options {
    SocketAddress listen;   // port 0: any
    int socket = -1;        // of bind(): here instead of `listen`; the server closes it
    std::string unix_path;  // not empty: here instead of `listen`; a file of that name is replaced
    std::size_t max_change_bytes = std::size_t{16} << 20U;  // of a POST's body
    std::size_t max_connections = 32;
    std::uint32_t max_header_bytes = 8192;
    std::chrono::milliseconds request_timeout{10'000};  // from connect, or the last reply
    std::chrono::milliseconds write_timeout{10'000};    // of one piece
    std::chrono::milliseconds slow_after{1'000};        // of one piece: then it may make way
  };

  // A socket that listens there; an error names the address.
  [[nodiscard]] static Result<UniqueFd> bind(const SocketAddress& address);
  // Binds and starts to accept. An error names the address.
  [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(boost::asio::io_context& io,
                                                                  const Options& options,
                                                                  Routes routes, Logger& logger);
  // The same on `options.unix_path`, with changes.
  [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(boost::asio::io_context& io,
                                                                  const Options& options,
                                                                  Routes routes, Changes changes,
                                                                  Logger& logger);
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;
  // Closes the socket and every connection. Control thread, or after it has ended.
  ~AdminServer();

  // 0 on a unix socket.
  [[nodiscard]] std::uint16_t port() const;

 private:
  class Core;
  explicit AdminServer(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace meshdns::dns
