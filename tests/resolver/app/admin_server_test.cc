#include "resolver/app/admin_server.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "tests/resolver/app/running_admin.h"
#include "tests/support/http_get.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

AdminReply text(const std::string& body) {
  AdminReply reply;
  reply.body = body;
  return reply;
}

AdminServer::Routes sample_routes() {
  return {{"/a", [] { return text("hello\n"); }},
          {"/bad", []() -> AdminReply { throw std::runtime_error("broken"); }},
          {"/pieces", [] {
             AdminReply reply = text("head ");
             reply.next_piece = [left = 3]() mutable -> std::optional<std::string> {
               --left;
               if (left == 1) {
                 return "";  // an empty piece is no end
               }
               return left >= 0 ? std::optional<std::string>("piece ") : std::nullopt;
             };
             return reply;
           }}};
}

TEST(AdminServer, ServesARouteWhateverTheQueryString) {
  RunningAdmin admin(sample_routes());
  for (const auto* target : {"/a", "/a?", "/a?x=1"}) {
    const std::string reply =
        admin.exchange(std::string("GET ") + target + " HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n")) << target;
    EXPECT_THAT(reply, HasSubstr("Content-Length: 6\r\n"));
    EXPECT_THAT(reply, testing::EndsWith("\r\n\r\nhello\n"));
  }
}

TEST(AdminServer, KeepsAConnectionForFurtherRequests) {
  RunningAdmin admin(sample_routes());
  const std::string reply = admin.exchange(
      "GET /a HTTP/1.1\r\n\r\nGET /pieces HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\nConnection: "
      "close\r\n\r\n");
  std::size_t count = 0;
  for (auto at = reply.find("hello\n"); at != std::string::npos;
       at = reply.find("hello\n", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 2U) << reply;
}

TEST(AdminServer, SendsAReplyInPieces) {
  RunningAdmin admin(sample_routes());
  const std::string chunked = admin.exchange("GET /pieces HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(chunked, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(chunked,
              testing::EndsWith("\r\n\r\n5\r\nhead \r\n6\r\npiece \r\n6\r\npiece \r\n0\r\n\r\n"));
  const std::string plain = admin.exchange("GET /pieces HTTP/1.0\r\n\r\n");
  EXPECT_THAT(plain, testing::EndsWith("\r\n\r\nhead piece piece "));
  EXPECT_THAT(plain, testing::Not(HasSubstr("chunked")));
}

TEST(AdminServer, AnswersHeadWithoutABody) {
  RunningAdmin admin(sample_routes());
  for (const auto* path : {"/a", "/pieces"}) {
    const std::string reply =
        admin.exchange(std::string("HEAD ") + path + " HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(reply, testing::EndsWith("\r\n\r\n"));
    EXPECT_THAT(reply, testing::Not(HasSubstr("hello")));
  }
}

TEST(AdminServer, ListsThePathsWhenThereIsNoSuchOne) {
  RunningAdmin admin(sample_routes());
  for (const auto* target : {"/", "/A", "/a/", "*", "/a%00", "http://x/b"}) {
    const std::string reply =
        admin.exchange(std::string("GET ") + target + " HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 404 ")) << target;
    EXPECT_THAT(reply, HasSubstr("\n/a\n/bad\n/pieces\n"));
  }
}

TEST(AdminServer, RefusesOtherMethodsAndNonsense) {
  struct Case {
    std::string request;
    std::string want;
  };
  const std::vector<Case> cases{
      {"POST /a HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "},
      {"DELETE /a HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "},
      {"NONSENSE /a HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "},
      {"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 400 "},
      {"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /a HTTP/2.0\r\n\r\n", "HTTP/1.1 400 "},
      {"\x16\x03\x01 something like TLS\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /a HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n", "HTTP/1.1 431 "},
  };
  RunningAdmin admin(sample_routes());
  for (const Case& row : cases) {
    EXPECT_THAT(admin.exchange(row.request), StartsWith(row.want)) << row.request.substr(0, 40);
  }
}

// A page from elsewhere that had its own name point here (DNS rebinding) asks by that name.
TEST(AdminServer, AnswersOnlyAHostThatIsThisMachine) {
  struct Case {
    std::string host;
    bool is_ours;
  };
  std::array<char, 256> name{};
  ASSERT_EQ(::gethostname(name.data(), name.size() - 1), 0);
  const std::vector<Case> cases{{"127.0.0.1:19153", true},   {"127.0.0.1", true},
                                {"[::1]:19153", true},       {"localhost:19153", true},
                                {"192.0.2.7:19153", true},   {"meshdns:19153", true},
                                {name.data(), true},         {"", true},
                                {"example.org", false},      {"example.org:19153", false},
                                {"127.0.0.1.nip.io", false}, {"127.0.0.1.example.org:19153", false},
                                {"localhost.example", false}};
  RunningAdmin admin(sample_routes());
  for (const Case& row : cases) {
    EXPECT_THAT(
        admin.exchange("GET /a HTTP/1.1\r\nHost: " + row.host + "\r\nConnection: close\r\n\r\n"),
        StartsWith(row.is_ours ? "HTTP/1.1 200 " : "HTTP/1.1 421 "))
        << row.host;
  }
  // The host of an absolute target counts, whatever the header says (RFC 9112 section 3.2.2).
  EXPECT_THAT(admin.exchange("GET http://example.org/a HTTP/1.1\r\nHost: localhost\r\n"
                             "Connection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 421 "));
}

TEST(AdminServer, TellsAFailedHandlerFromASuccess) {
  RunningAdmin admin(sample_routes());
  const std::string reply = admin.exchange("GET /bad HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(reply, testing::Not(HasSubstr("broken")));
}

TEST(AdminServer, ClosesAConnectionThatSendsNoRequestInTime) {
  AdminServer::Options options;
  options.request_timeout = std::chrono::milliseconds(20);
  RunningAdmin admin(sample_routes(), options);
  EXPECT_EQ(admin.exchange("GET /a HTT"), "");
}

AdminServer::Routes routes_with_endless() {
  AdminServer::Routes routes = sample_routes();
  routes["/endless"] = [] {
    AdminReply reply;
    reply.next_piece = [] { return std::string(65536, 'x'); };
    return reply;
  };
  return routes;
}

TEST(AdminServer, ServesSoManyConnectionsAndNoMore) {
  AdminServer::Options options;
  options.max_connections = 2;
  RunningAdmin admin(routes_with_endless(), options);
  std::vector<tcp::socket> held;
  for (int i = 0; i < 2; ++i) {
    held.push_back(admin.connect());
    asio::write(held.back(), asio::buffer(std::string("GET /endless HTTP/1.1\r\n\r\n")));
    std::string first(1, '\0');
    asio::read(held.back(), asio::buffer(first));
  }
  tcp::socket third = admin.connect();
  EXPECT_EQ(RunningAdmin::read_all(third), "");
}

TEST(AdminServer, LetsTheConnectionThatWaitedLongestMakeWay) {
  AdminServer::Options options;
  options.max_connections = 2;
  RunningAdmin admin(sample_routes(), options);
  tcp::socket first = admin.connect();
  asio::write(first, asio::buffer(std::string("GET /a HT")));
  tcp::socket second = admin.connect();
  asio::write(second, asio::buffer(std::string("GET /a HT")));
  EXPECT_THAT(admin.exchange("GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("hello"));
  EXPECT_EQ(RunningAdmin::read_all(first), "");
  asio::write(second, asio::buffer(std::string("TP/1.1\r\nConnection: close\r\n\r\n")));
  EXPECT_THAT(RunningAdmin::read_all(second), HasSubstr("hello"));
}

TEST(AdminServer, LetsAClientThatDoesNotReadMakeWayWhenNoneWaits) {
  AdminServer::Options options;
  options.max_connections = 1;
  options.slow_after = std::chrono::milliseconds(20);
  options.write_timeout = std::chrono::hours(1);
  RunningAdmin admin(routes_with_endless(), options);
  tcp::socket held = admin.connect();
  asio::write(held, asio::buffer(std::string("GET /endless HTTP/1.1\r\n\r\n")));
  std::string first(1, '\0');
  asio::read(held, asio::buffer(first));
  EXPECT_TRUE(support::wait_until([&] {
    const auto reply = support::http_get(admin.address(), "/a");
    return reply && reply->status == 200;
  }));
}

TEST(AdminServer, TakesATargetInAbsoluteForm) {
  RunningAdmin admin(sample_routes());
  EXPECT_THAT(admin.exchange("GET http://localhost/a?b HTTP/1.1\r\nConnection: close\r\n\r\n"),
              HasSubstr("hello"));
  EXPECT_THAT(admin.exchange("GET http://localhost HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 404 "));
}

TEST(AdminServer, NamesTheAddressItCannotHave) {
  asio::io_context io;
  const auto logs = Logs::create({.level = "off"}).value();
  const tcp::acceptor taken(io, {asio::ip::make_address("127.0.0.1"), 0});
  AdminServer::Options options;
  options.listen = SocketAddress::parse("127.0.0.1:0").value();
  options.listen.port = taken.local_endpoint().port();
  const auto server = AdminServer::start(io, options, {}, logs->logger("dns"));
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, ErrorCode::kNetwork);
  EXPECT_THAT(server.error().message, HasSubstr(options.listen.to_string()));
  EXPECT_THAT(server.error().message, HasSubstr("choose another address"));
}

}  // namespace
}  // namespace meshdns::dns
