#include "discovery/control/http_server.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kMaxBody = 1000;

// A server on a free port with a thread that runs it. It answers later, with what it was told.
class RunningServer {
 public:
  RunningServer() {
    server_ = HttpServer::start(
                  io_, SocketAddress::parse("127.0.0.1:0").value(), kMaxBody,
                  [this](const HttpRequest& request, HttpServer::Reply reply) {
                    asio::post(io_, [request, reply = std::move(reply)] {
                      reply({201, "text/plain",
                             request.method + "|" + request.path + "|" + request.query + "|" +
                                 request.host + "|" + request.origin + "|" + request.body});
                      reply({500, "text/plain", "a second answer"});
                    });
                  })
                  .value();
    port_ = server_->port();
    thread_ = std::thread([this] { io_.run(); });
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;
  ~RunningServer() {
    io_.stop();
    thread_.join();
  }

  [[nodiscard]] std::string ask(const std::string& request) {
    tcp::socket socket(client_io_);
    socket.connect({asio::ip::make_address("127.0.0.1"), port_});
    asio::write(socket, asio::buffer(request));
    std::string reply;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(reply), end);
    EXPECT_EQ(end, asio::error::eof) << end.message();
    return reply;
  }

 private:
  asio::io_context io_;
  asio::io_context client_io_;
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(HttpServer, HandsOverTheRequestAndAnswersItLater) {
  RunningServer server;
  const std::string reply = server.ask(
      "PUT /a/b?size=1&offset=2 HTTP/1.1\r\nHost: localhost:5681\r\nOrigin: http://x\r\n"
      "Content-Length: 4\r\n\r\nbody");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 201 "));
  EXPECT_THAT(reply, testing::EndsWith("PUT|/a/b|size=1&offset=2|localhost:5681|http://x|body"));
}

TEST(HttpServer, AnswersALongerBodyThanItTakesWith413EvenWhileItIsSent) {
  RunningServer server;
  const std::string head = "PUT / HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n";
  EXPECT_THAT(server.ask(head + std::string(4'000'000, 'x')), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(server.ask("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
                         std::string(2000, 'x') + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST(HttpServer, TakesABodyOfExactlyTheLimit) {
  RunningServer server;
  EXPECT_THAT(
      server.ask("PUT / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + std::string(kMaxBody, 'x')),
      StartsWith("HTTP/1.1 201 "));
}

TEST(HttpServer, TellsAClientThatWaitsForItToGoOn) {
  RunningServer server;
  const std::string reply =
      server.ask("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 "));
}

TEST(HttpServer, ClosesOnWhatIsNoHttp) {
  RunningServer server;
  EXPECT_THAT(server.ask("\x16\x03\x01\x02\r\n\r\n\r\n"), testing::Not(HasSubstr("201")));
}

}  // namespace
}  // namespace meshdns::discovery
