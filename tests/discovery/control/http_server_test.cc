#include "discovery/control/http_server.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
#include "tests/support/wait_until.h"

namespace meshdns::discovery {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::size_t kMaxBody = 1000;

// A server on a free port with a thread that runs it. It answers later, with what it was told.
class RunningServer {
 public:
  explicit RunningServer(std::chrono::milliseconds request_time = support::kHangBound) {
    server_ = HttpServer::start(
                  io_, SocketAddress::parse("127.0.0.1:0").value(),
                  {.body_bytes = kMaxBody, .request_time = request_time},
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

  [[nodiscard]] tcp::socket connect() {
    tcp::socket socket(client_io_);
    socket.connect({asio::ip::make_address("127.0.0.1"), port_});
    return socket;
  }
  [[nodiscard]] std::string ask(const std::string& request) {
    tcp::socket socket = connect();
    asio::write(socket, asio::buffer(request));
    return read_all(socket);
  }
  // What comes until the server has said all.
  [[nodiscard]] static std::string read_all(tcp::socket& socket) {
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
  EXPECT_THAT(reply, EndsWith("PUT|/a/b|size=1&offset=2|localhost:5681|http://x|body"));
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

TEST(HttpServer, SaysWhatIsWrongWithWhatIsNoHttp) {
  RunningServer server;
  struct Case {
    std::string said;
    std::string reason;
  };
  const std::string head = "GET / HTTP/1.1\r\n";
  const std::vector<Case> cases{
      {"\r\n\r\n", "bad method"},
      {std::string("\0\0\0\0\r\n\r\n", 8), "bad method"},
      {"GE\x01T / HTTP/1.1\r\n\r\n", "bad method"},
      {"GET  HTTP/1.1\r\n\r\n", "bad target"},
      {"GET /\x7f HTTP/1.1\r\n\r\n", "bad target"},
      {"GET /\r\n\r\n", "bad target"},
      {"GET / HTTP/9.9\r\n\r\n", "bad version"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad version"},
      {"GET / SPDY\r\n\r\n", "bad version"},
      {head + ": x\r\n\r\n", "bad field"},
      {head + "Host localhost\r\n\r\n", "bad field"},
      {head + "Host: a\x01z\r\n\r\n", "bad value"},
      {head + "Content-Length: -1\r\n\r\n", "bad Content-Length"},
      {head + "Content-Length: 99999999999999999999\r\n\r\n", "bad Content-Length"},
      {head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "multiple Content-Length"},
      {head + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", "bad Content-Length"},
      {head + "Transfer-Encoding: chunked\r\n\r\nno number\r\n", "bad chunk"},
  };
  for (const Case& row : cases) {
    const std::string reply = server.ask(row.said);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << row.said;
    EXPECT_THAT(reply, EndsWith("\r\n\r\nthis is no HTTP request: " + row.reason + "\n"))
        << row.said;
  }
}

TEST(HttpServer, SaysNothingOfARequestButWhatIsWrong) {
  RunningServer server;
  const std::string reply = server.ask(std::string(1, '\x01') + std::string(1'000'000, 'x'));
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 400 "));
  EXPECT_LT(reply.size(), 200U);
  EXPECT_THAT(reply, Not(HasSubstr("xx")));
}

// What OpenSSL begins with: a record of a handshake, with a ClientHello in it.
TEST(HttpServer, AnswersATlsHandshakeWithOneLine) {
  RunningServer server;
  for (const char* const version : {"\x01", "\x03"}) {
    const std::string hello = std::string("\x16\x03") + version +
                              std::string("\x02\x00\x01\x00\x01\xfc\x03\x03", 8) +
                              std::string(508, '\x5a');
    EXPECT_EQ(server.ask(hello), "HTTP/1.1 400 this port speaks HTTP without TLS\r\n\r\n");
  }
}

TEST(HttpServer, AnswersALongerLineOrHeaderThanItTakes) {
  RunningServer server;
  const std::string line = "GET /" + std::string(9000, 'x');
  for (const std::string rest : {"", " HTTP/1.1\r\n\r\n"}) {
    const std::string reply = server.ask(line + rest);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 414 "));
    EXPECT_THAT(reply, EndsWith("\r\n\r\nthe request line is longer than 8192 octets\n"));
  }
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 2000; ++i) {
    many += "X-" + std::to_string(i) + ": 1\r\n";
  }
  const std::string one = "GET / HTTP/1.1\r\nX: " + std::string(9000, 'x');
  for (const std::string& header : {many, many + "\r\n", one, one + "\r\n\r\n"}) {
    const std::string reply = server.ask(header);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 431 "));
    EXPECT_THAT(reply, EndsWith("\r\n\r\nthe header is longer than 8192 octets\n"));
  }
}

TEST(HttpServer, AnswersWhoEndsInTheMiddleOfARequestAndNotWhoBeginsNone) {
  RunningServer server;
  for (const std::string said :
       {"G", "GET / HTTP/1.1\r\nHost: x\r\n", "PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo"}) {
    tcp::socket socket = server.connect();
    asio::write(socket, asio::buffer(said));
    socket.shutdown(tcp::socket::shutdown_send);
    const std::string reply = RunningServer::read_all(socket);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 400 ")) << said;
    EXPECT_THAT(reply, EndsWith("\r\n\r\nthe request ends before it is whole\n")) << said;
  }
  tcp::socket socket = server.connect();
  socket.shutdown(tcp::socket::shutdown_send);
  EXPECT_EQ(RunningServer::read_all(socket), "");
}

TEST(HttpServer, AnswersWhoIsSlowWhereverItStops) {
  RunningServer server(std::chrono::milliseconds(50));
  for (const std::string said :
       {"", "G", "GET / HTTP/1.1\r\nHost: x\r\n", "PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo",
        "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"}) {
    tcp::socket socket = server.connect();
    asio::write(socket, asio::buffer(said));
    const std::string reply = RunningServer::read_all(socket);
    EXPECT_THAT(reply, HasSubstr("HTTP/1.1 408 ")) << said;
    EXPECT_THAT(reply, EndsWith("\r\n\r\nthe request did not come within 50 ms\n")) << said;
  }
}

TEST(HttpServer, IsNotKeptWaitingByWhoSendsAnOctetAtATime) {
  RunningServer server(std::chrono::milliseconds(50));
  tcp::socket socket = server.connect();
  asio::write(socket, asio::buffer(std::string("GET /")));
  // It never stops of its own accord: the server's word does it.
  while (socket.available() == 0) {
    asio::write(socket, asio::buffer(std::string("x")));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::string reply(64, '\0');
  reply.resize(socket.read_some(asio::buffer(reply)));
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServer, IsFreeForOthersWhateverKeepsItsConnections) {
  RunningServer server;
  std::vector<tcp::socket> others;
  // Some have begun no request, some were told that theirs is none and send on.
  for (int i = 0; i < 100; ++i) {
    others.push_back(server.connect());
    if (i % 2 == 0) {
      asio::write(others.back(), asio::buffer(std::string("\x01")));
    }
  }
  EXPECT_THAT(server.ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 201 "));
}

}  // namespace
}  // namespace meshdns::discovery
