// An AdminServer on a free port of 127.0.0.1 with a thread that runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/ip_address.h"
#include "base/log.h"
#include "resolver/app/admin_server.h"

namespace meshdns::dns {

class RunningAdmin {
 public:
  explicit RunningAdmin(AdminServer::Routes routes, AdminServer::Options options = {}) {
    options.listen = SocketAddress::parse("127.0.0.1:0").value();
    server_ = AdminServer::start(io_, options, std::move(routes), logs_->logger("dns")).value();
    port_ = server_->port();
    thread_ = std::thread([this] { io_.run(); });
  }
  RunningAdmin(const RunningAdmin&) = delete;
  RunningAdmin& operator=(const RunningAdmin&) = delete;
  ~RunningAdmin() {
    io_.stop();
    thread_.join();
    server_.reset();
  }

  [[nodiscard]] SocketAddress address() const {
    return SocketAddress::parse("127.0.0.1:" + std::to_string(port_)).value();
  }
  [[nodiscard]] boost::asio::ip::tcp::socket connect() {
    boost::asio::ip::tcp::socket socket(client_io_);
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), port_});
    return socket;
  }
  // Sends `request` and returns everything until the server closes.
  std::string exchange(const std::string& request) {
    boost::asio::ip::tcp::socket socket = connect();
    boost::asio::write(socket, boost::asio::buffer(request));
    return read_all(socket);
  }
  static std::string read_all(boost::asio::ip::tcp::socket& socket) {
    std::string reply;
    boost::system::error_code end;
    boost::asio::read(socket, boost::asio::dynamic_buffer(reply), end);
    return reply;
  }

 private:
  std::unique_ptr<Logs> logs_ = Logs::create({.level = "off"}).value();
  boost::asio::io_context io_;
  boost::asio::io_context client_io_;
  std::unique_ptr<AdminServer> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace meshdns::dns
