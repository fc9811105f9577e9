// A bare UDP echo that sets the QR bit and does nothing else: what one core can do with the I/O
// loop of resolver/server (Asio readiness wait, and its DatagramBatch). The price of an answer of
// ours is told as a multiple of this program's. A loop written out by hand, without addresses and
// control messages in the batch, costs the same within half a percent.
//
// usage: meshdns-bench-echo ADDRESS:PORT
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/socket_layer.h"
#include "resolver/server/datagram_batch.h"
#include "resolver/server/datagram_sender.h"
#include "resolver/server/udp_server.h"

namespace meshdns::bench {
namespace {

namespace asio = boost::asio;

constexpr int kSocketBufferBytes = 4 << 20;  // as the resolver's listeners
constexpr std::size_t kFlagsOffset = 2;      // RFC 1035 §4.1.1
constexpr std::uint8_t kQr = 0x80;

class EchoServer {
 public:
  EchoServer(asio::io_context& io, const SocketAddress& address)
      : socket_(io, asio::ip::udp::endpoint(asio::ip::make_address(address.ip.to_string()),
                                            address.port)) {
    socket_.non_blocking(true);
    for (const int name : {SO_RCVBUF, SO_SNDBUF}) {
      layer_.setsockopt(socket_.native_handle(), SOL_SOCKET, name, &kSocketBufferBytes,
                        sizeof kSocketBufferBytes);
    }
    wait();
  }

 private:
  void wait() {
    socket_.async_wait(asio::ip::udp::socket::wait_read,
                       [this](const boost::system::error_code& error) {
                         if (!error) {
                           drain();
                           wait();
                         }
                       });
  }

  // UdpServer::drain() without answers.
  void drain() {
    for (std::size_t i = 0; i < dns::UdpServer::kMaxBatches; ++i) {
      const std::size_t count = batch_.receive(layer_, socket_.native_handle());
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t size = batch_.request(k).size();
        if (size > kFlagsOffset) {
          batch_.response_buffer(k)[kFlagsOffset] |= kQr;
          batch_.add_reply(k, size);
        }
      }
      batch_.send(layer_, socket_.native_handle());
      if (count < dns::DatagramBatch::kMaxDatagrams) {
        return;
      }
    }
  }

  PosixSocketLayer layer_;
  asio::ip::udp::socket socket_;
  dns::DatagramBatch batch_{dns::DatagramSender::Grouping::kNone};  // what all are compared with
};

int run(std::string_view text) {
  const auto address = SocketAddress::parse(text);
  if (!address) {
    fmt::print(stderr, "meshdns-bench-echo: {}\n", address.error().message);
    return 1;
  }
  asio::io_context io(1);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](const boost::system::error_code&, int) { io.stop(); });
  const EchoServer server(io, *address);
  io.run();
  return 0;
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: meshdns-bench-echo ADDRESS:PORT\n", stderr);
    return 1;
  }
  try {
    return meshdns::bench::run(argv[1]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "meshdns-bench-echo: {}\n", error.what());
    return 2;
  }
}
