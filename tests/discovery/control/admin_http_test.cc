#include "discovery/control/admin_http.h"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/control/http_server.h"

namespace meshdns::discovery {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

// A server on a free port with a thread that runs it.
class RunningAdmin {
 public:
  RunningAdmin() {
    server_ = AdminHttp::start(io_, SocketAddress::parse("127.0.0.1:0").value(),
                               [](const std::string& path) {
                                 return HttpAnswer{200, "text/plain", "you asked for " + path};
                               })
                  .value();
    port_ = server_->port();
    thread_ = std::thread([this] { io_.run(); });
  }
  RunningAdmin(const RunningAdmin&) = delete;
  RunningAdmin& operator=(const RunningAdmin&) = delete;
  ~RunningAdmin() {
    io_.stop();
    thread_.join();
  }

  [[nodiscard]] tcp::socket connect(const std::string& text) {
    tcp::socket socket(client_io_);
    socket.connect({asio::ip::make_address("127.0.0.1"), port_});
    asio::write(socket, asio::buffer(text));
    return socket;
  }
  static std::string read_all(tcp::socket& socket) {
    std::string reply;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(reply), end);
    return reply;
  }

 private:
  asio::io_context io_;
  asio::io_context client_io_;
  std::unique_ptr<AdminHttp> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(AdminHttp, AnswersAPathWithoutItsQueryString) {
  RunningAdmin admin;
  tcp::socket client = admin.connect("GET /healthz?now HTTP/1.1\r\n\r\n");
  const std::string reply = RunningAdmin::read_all(client);
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(reply, testing::EndsWith("you asked for /healthz"));
}

TEST(AdminHttp, RefusesOtherMethods) {
  RunningAdmin admin;
  tcp::socket client = admin.connect("POST /healthz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(RunningAdmin::read_all(client), StartsWith("HTTP/1.1 405 "));
}

TEST(AdminHttp, LetsClientsThatSendNoRequestMakeWay) {
  RunningAdmin admin;
  std::vector<tcp::socket> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(admin.connect("GET /heal"));
  }
  tcp::socket probe = admin.connect("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(RunningAdmin::read_all(probe), HasSubstr("you asked for /healthz"));
  EXPECT_EQ(RunningAdmin::read_all(idle.front()), "") << "closed for a later one";
}

}  // namespace
}  // namespace meshdns::discovery
