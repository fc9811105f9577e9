// ReceivedOctets: how many octets came on a TCP connection, by the word of the kernel.
//
// For who handed the connection on and owns it no more. A value; any thread.
#pragma once

#include <cstdint>
#include <optional>

namespace meshdns::discovery {

class ReceivedOctets {
 public:
  // Nothing when `socket` is no TCP connection.
  [[nodiscard]] static std::optional<ReceivedOctets> of(int socket);

  // Of what came in its order, read or not (tcp(7), tcpi_bytes_received). Nothing once its owner
  // has closed it, whoever has its number then.
  [[nodiscard]] std::optional<std::uint64_t> read() const;

 private:
  ReceivedOctets(int socket, std::uint64_t cookie) : socket_(socket), cookie_(cookie) {}

  int socket_;
  std::uint64_t cookie_;  // of the socket (SO_COOKIE), which no other one ever gets
};

}  // namespace meshdns::discovery
