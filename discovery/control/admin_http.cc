#include "discovery/control/admin_http.h"

#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/control/http_server.h"

namespace meshdns::discovery {

Result<std::unique_ptr<AdminHttp>> AdminHttp::start(boost::asio::io_context& io,
                                                    const SocketAddress& address, Handler handler) {
  auto started = HttpServer::start(
      io, address, {.body_bytes = 0},
      [answer = std::move(handler)](const HttpRequest& request, const HttpServer::Reply& reply) {
        reply(request.method == "GET"
                  ? answer(request.path)
                  : HttpAnswer{405, "text/plain", "only GET is answered here\n", "GET"});
      });
  if (!started) {
    return fail(started.error().code,
                started.error().message + " for admin HTTP; choose another with --admin");
  }
  return std::unique_ptr<AdminHttp>(new AdminHttp(*std::move(started)));
}

}  // namespace meshdns::discovery
