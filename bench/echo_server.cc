// A bare UDP echo that sets the QR bit and does nothing else: what one core can do with the I/O
// loop of resolver/server (Asio readiness wait, recvmmsg and sendmmsg of at most 32). The price of
// an answer of ours is told as a multiple of this program's.
//
// usage: meshdns-bench-echo ADDRESS:PORT
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/socket_layer.h"

namespace meshdns::bench {
namespace {

namespace asio = boost::asio;

constexpr unsigned kBatch = 32;              // datagrams in one system call
constexpr unsigned kMaxBatches = 16;         // before other handlers get their turn
constexpr std::size_t kBufferOctets = 1232;  // as the resolver's
constexpr int kSocketBufferBytes = 4 << 20;
constexpr std::size_t kFlagsOffset = 2;  // RFC 1035 §4.1.1
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
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors_[i].iov_base = buffers_[i].data();
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
      messages_[i].msg_hdr.msg_name = &clients_[i];
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

  void drain() {
    for (unsigned batch = 0; batch < kMaxBatches; ++batch) {
      for (std::size_t i = 0; i < kBatch; ++i) {
        vectors_[i].iov_len = kBufferOctets;
        messages_[i].msg_hdr.msg_namelen = sizeof(sockaddr_in6);
      }
      const int received =
          layer_.recvmmsg(socket_.native_handle(), messages_.data(), kBatch, MSG_DONTWAIT);
      if (received <= 0) {
        return;
      }
      const auto count = static_cast<unsigned>(received);
      for (std::size_t i = 0; i < count; ++i) {
        buffers_[i][kFlagsOffset] |= kQr;
        vectors_[i].iov_len = messages_[i].msg_len;
      }
      send(count);
      if (count < kBatch) {
        return;
      }
    }
  }

  // A full send buffer costs the rest of the batch, as it would a resolver's client.
  void send(unsigned count) {
    unsigned sent = 0;
    while (sent < count) {
      const int result =
          layer_.sendmmsg(socket_.native_handle(), &messages_[sent], count - sent, MSG_DONTWAIT);
      if (result < 0 && errno == EINTR) {
        continue;
      }
      if (result <= 0) {
        return;
      }
      sent += static_cast<unsigned>(result);
    }
  }

  PosixSocketLayer layer_;
  asio::ip::udp::socket socket_;
  std::array<std::array<std::uint8_t, kBufferOctets>, kBatch> buffers_{};
  std::array<sockaddr_in6, kBatch> clients_{};
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
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
