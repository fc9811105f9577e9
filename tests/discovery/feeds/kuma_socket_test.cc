// What kuma-dp's socket is asked, and everything that may listen there instead.
#include "discovery/feeds/kuma_socket.h"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/result.h"
#include "tests/support/kuma_listener.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/unix_http_server.h"
#include "tests/support/wait_until.h"

namespace meshdns::discovery {
namespace {

using boost::asio::local::stream_protocol;
using support::header_of;
using support::http_response;
using support::kuma_body;
using support::kuma_etag;
using support::serve_kuma_table;
using support::UnixHttpServer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class KumaSocketTest : public testing::Test {
 protected:
  using Answer = Result<KumaAnswer>;

  Answer ask(const std::string& etag = {}) {
    std::optional<Answer> answer;
    KumaSocket socket(io, options);
    socket.ask(etag, [&](const Answer& result) {
      EXPECT_FALSE(answer) << "twice";
      answer = result;
    });
    EXPECT_FALSE(answer) << "called from within ask()";
    io.restart();
    io.run_for(support::kHangBound);
    return answer.value_or(Answer(fail(ErrorCode::kInternal, "no answer within the hang bound")));
  }
  std::string reason() {
    const Answer answer = ask();
    return answer ? "(an answer)" : answer.error().message;
  }

  support::TemporaryDirectory folder;
  boost::asio::io_context io;
  KumaSocket::Options options{.path = folder.file("kuma-mesh-metric-config.sock")};
};

TEST_F(KumaSocketTest, AsksAsKumaDpDoes) {
  const std::string body = kuma_body({{"a.mesh", {"241.0.0.1"}}});
  const UnixHttpServer server(options.path, serve_kuma_table(body));
  const Answer first = ask();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->kind, KumaAnswer::Kind::kTable);
  EXPECT_EQ(first->table.json, body);
  EXPECT_EQ(first->table.etag, kuma_etag(body));
  const Answer second = ask(first->table.etag);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->kind, KumaAnswer::Kind::kUnchanged);
  ASSERT_THAT(server.requests(), SizeIs(2));
  EXPECT_THAT(server.requests()[0], StartsWith("GET /dns HTTP/1.1\r\n"));
  EXPECT_EQ(header_of(server.requests()[0], "Host"), "localhost");
  EXPECT_THAT(header_of(server.requests()[0], "If-None-Match"), IsEmpty());
  EXPECT_EQ(header_of(server.requests()[1], "If-None-Match"), kuma_etag(body));
}

TEST_F(KumaSocketTest, NoTableIsNoError) {
  const UnixHttpServer server(options.path, serve_kuma_table(""));
  const Answer answer = ask();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->kind, KumaAnswer::Kind::kNone);
}

TEST_F(KumaSocketTest, TakesABodyHoweverItIsFramed) {
  struct Case {
    const char* response;
    const char* etag;
  };
  const std::vector<Case> cases{
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\netag: x\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "x"},
      {"HTTP/1.0 200 OK\r\nETag: W/\"y\"\r\n\r\n{}", "W/\"y\""},
      {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}and more than was said", ""},
  };
  for (const Case& row : cases) {
    const UnixHttpServer server(
        options.path, [&](const auto&, auto& connection) { connection.write_all(row.response); });
    const Answer answer = ask();
    ASSERT_TRUE(answer) << row.response << answer.error().message;
    EXPECT_EQ(answer->table.json, "{}") << row.response;
    EXPECT_EQ(answer->table.etag, row.etag) << row.response;
  }
}

TEST_F(KumaSocketTest, SaysWhatStandsThereInstead) {
  EXPECT_THAT(reason(), HasSubstr(options.path + ": there is none (is kuma-dp up"));
  std::filesystem::create_directory(options.path);
  EXPECT_THAT(reason(), HasSubstr("is a folder, no socket"));
  std::filesystem::remove(options.path);
  std::ofstream(options.path) << "text";
  EXPECT_THAT(reason(), HasSubstr("is no socket"));
  std::filesystem::remove(options.path);
  {
    // Bound, and left behind by a process that ended.
    const stream_protocol::acceptor left(io, stream_protocol::endpoint(options.path));
  }
  EXPECT_THAT(reason(), HasSubstr("nobody listens there"));
  options.path =
      folder.file("") + std::string(KumaSocket::kMaxPathOctets - folder.file("").size(), 'x');
  EXPECT_THAT(reason(), HasSubstr("there is none")) << "the longest path that there is";
}

TEST_F(KumaSocketTest, AQueueThatIsFullIsAnError) {
  stream_protocol::acceptor deaf(io);
  deaf.open();
  const stream_protocol::endpoint endpoint(options.path);
  deaf.bind(endpoint);
  deaf.listen(0);
  options.deadline = std::chrono::milliseconds(100);
  std::vector<stream_protocol::socket> waiting;
  do {
    waiting.emplace_back(io, stream_protocol()).non_blocking(true);
  } while (::connect(waiting.back().native_handle(), endpoint.data(),
                     static_cast<socklen_t>(endpoint.size())) == 0);
  EXPECT_FALSE(ask());
}

TEST_F(KumaSocketTest, RefusesWhatIsNoAnswer) {
  struct Case {
    std::string response;
    const char* reason;
  };
  const std::vector<Case> cases{
      {"", "hangs up without an answer"},
      {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "ends in the middle"},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "is no HTTP"},
      {"HTTP/1.1 200 OK\r\nx: " + std::string(20'000, 'x') + "\r\n\r\n", "is no HTTP"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "is no HTTP"},
      {std::string(5000, '\0'), "is no HTTP"},
      {http_response(500, "no"), "status 500"},
      {http_response(503, ""), "status 503"},
      {http_response(301, "", {"location: /elsewhere"}), "status 301"},
      {http_response(204, ""), "status 204"},
      {http_response(999, ""), "status 999"},
      {"HTTP/1.1 304 Not Modified\r\n\r\n", "status 304"},  // that of which it was not asked
      {"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n", "larger than 1000 octets"},
      {"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n", "larger than 1000 octets"},
      {"HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, ' '), "larger than 1000 octets"},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffff\r\n" + std::string(1001, ' '),
       "larger than 1000 octets"},
  };
  options.max_body_octets = 1000;
  for (const Case& row : cases) {
    const UnixHttpServer server(
        options.path, [&](const auto&, auto& connection) { connection.write_all(row.response); });
    EXPECT_THAT(reason(), HasSubstr(row.reason)) << row.response.substr(0, 200);
  }
}

TEST_F(KumaSocketTest, AnAnswerThatDoesNotEndIsGivenUp) {
  options.deadline = std::chrono::milliseconds(100);
  const std::vector<UnixHttpServer::Script> scripts{
      // Says nothing.
      [](const auto&, auto& connection) { connection.wait_for_end(); },
      // A header that goes on, a little at a time; then a body that does.
      [](const auto&, auto& connection) {
        connection.write_all("HTTP/1.1 200 OK\r\nx: ");
        while (connection.write_all("x") && !connection.ends_within(std::chrono::milliseconds(5))) {
        }
      },
      [](const auto&, auto& connection) {
        connection.write_all("HTTP/1.1 200 OK\r\n\r\n{");
        while (connection.write_all(" ") && !connection.ends_within(std::chrono::milliseconds(5))) {
        }
      },
      // Less than was promised.
      [](const auto&, auto& connection) {
        connection.write_all("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}");
        connection.wait_for_end();
      },
  };
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    const UnixHttpServer server(options.path, scripts[i]);
    EXPECT_THAT(reason(), HasSubstr("no whole answer within 100 ms")) << i;
  }
}

TEST_F(KumaSocketTest, NothingIsCalledOnceItIsCancelled) {
  const UnixHttpServer server(options.path, serve_kuma_table("{}"));
  int answers = 0;
  const auto count = [&](const Answer&) { ++answers; };
  {
    KumaSocket socket(io, options);
    socket.ask("", count);
    socket.cancel();
    socket.cancel();
    socket.ask("", count);  // goes when the next begins
    socket.ask("", count);
    socket.ask("", [&](const Answer& answer) {
      count(answer);
      socket.ask("", count);  // from within, and goes with its socket
    });
    io.run_one_for(support::kHangBound);
    while (answers == 0 && io.run_one_for(support::kHangBound) != 0) {
    }
  }
  io.restart();
  io.run_for(support::kHangBound);
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace meshdns::discovery
