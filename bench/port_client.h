// Asks a DNS server for a service's port, one question at a time over UDP, and sleeps until the
// answer comes: the simplest client that can tell when a service has changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::bench {

class PortClient {
 public:
  // Fails where there is no socket to be had.
  [[nodiscard]] static Result<PortClient> connect(const SocketAddress& server);

  // The port of the first SRV record (RFC 2782) of `name`, a dotted name. Nothing when there is no
  // such record, or no answer within `timeout`.
  [[nodiscard]] std::optional<std::uint16_t> ask(std::string_view name,
                                                 std::chrono::milliseconds timeout);

 private:
  explicit PortClient(UniqueFd socket) : socket_(std::move(socket)) {}

  UniqueFd socket_;
  std::uint16_t id_ = 0;
};

}  // namespace meshdns::bench
