// StreamConnection: one connection to an upstream server, over TCP or TLS, that carries messages
// both ways (RFC 7766, RFC 7858).
//
// One worker's thread. Lives as long as an operation of it is under way; speaks to its owner only
// until close() or on_closed().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/system/error_code.hpp>

#include "base/ip_address.h"
#include "resolver/forward/tls_client.h"
#include "resolver/wire/frame_reader.h"

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

class StreamConnection : public std::enable_shared_from_this<StreamConnection> {
 public:
  class Owner {
   public:
    Owner() = default;
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    virtual ~Owner() = default;
    // The server has accepted; with TLS the handshake follows.
    virtual void on_accepted() = 0;
    // Messages can be sent.
    virtual void on_ready() = 0;
    virtual void on_message(std::span<const std::uint8_t> message) = 0;
    // It is over; the connection is not to be used any more. `reason` is for people.
    virtual void on_closed(const std::string& reason) = 0;
  };

  // `tls` is null for plain TCP; it outlives the connection.
  StreamConnection(boost::asio::io_context& io, const TlsClient* tls, Owner& owner);
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;
  ~StreamConnection() = default;

  // Connects and shakes hands; on_accepted(), on_ready() or on_closed() follow, not from within.
  void start(const SocketAddress& server);
  // Sends a message, before which its length is put. Only when ready.
  void send(std::span<const std::uint8_t> message);
  // Ends it without a word to the owner.
  void close();
  [[nodiscard]] bool is_ready() const { return ready_; }
  // Octets so far.
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  void on_connected();
  void become_ready();
  void read();
  void on_read(std::size_t count);
  void write();
  void fail(const std::string& reason);
  // Runs `handle(count)` with the owner still there, or ends the connection.
  template <typename Handle>
  auto guarded(const char* step, Handle handle);

  const TlsClient* tls_;
  Owner* owner_;  // null once it is over
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  FrameReader frames_;
  std::array<std::uint8_t, 4096> input_{};
  std::vector<std::uint8_t> writing_;  // under way
  std::vector<std::uint8_t> queued_;   // behind it
  bool ready_ = false;
  std::uint64_t received_ = 0;
};

}  // namespace meshdns::dns
