// One TCP connection with one delta ADS stream, without any library: a thousand of them cost a load
// generator little, so that what is measured is the server. It subscribes to everything of some
// types, acknowledges every response, and keeps none.
//
// One thread; sockets do not block after the connection is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/types.h>
#include <sys/types.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"

namespace meshdns::bench {

class AdsConnection {
 public:
  // A whole response has come.
  using OnResponse = std::function<void(std::string_view type_url)>;

  struct Options {
    SocketAddress server;
    std::string node;
    std::vector<std::string> types;
    // Whether it ever reads. One that does not has the windows of HTTP/2's beginning, others the
    // largest.
    bool reads = true;
    // TLS without a look at the server's certificate; null: plaintext. Outlives the connection.
    SSL_CTX* tls = nullptr;
  };

  // Connects and asks. Throws std::runtime_error when that fails.
  explicit AdsConnection(const Options& options);

  [[nodiscard]] int fd() const { return socket_.get(); }
  // Reads what is there. Throws when the server ends the stream or the connection.
  void on_readable(const OnResponse& on_response);
  // Octets of DATA frames so far.
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  // As recv(2) does; -1 and EAGAIN when there is nothing.
  [[nodiscard]] ssize_t receive(std::span<char> into) const;
  void take(std::string_view octets, const OnResponse& on_response);
  void on_frame(std::uint8_t type, std::uint8_t flags, std::string_view payload,
                const OnResponse& on_response);
  void on_data(std::string_view octets, const OnResponse& on_response);
  void finish_message(const OnResponse& on_response);
  void send(const std::string& octets) const;

  UniqueFd socket_;
  std::unique_ptr<SSL, void (*)(SSL*)> tls_;  // null: plaintext
  std::string input_;                         // the beginning of a frame
  // Of the message that is coming: its header, the beginning of its content, what is missing.
  std::string header_;
  std::string head_;
  std::size_t missing_ = 0;
  std::uint64_t received_bytes_ = 0;
};

}  // namespace meshdns::bench
