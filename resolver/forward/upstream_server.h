// An upstream server as it is configured: where it is, over what it is asked, and by what it is
// known. Plain value.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/forward/tls_client.h"

namespace meshdns::dns {

enum class UpstreamTransport : std::uint8_t {
  kUdp,  // and TCP for what UDP truncates
  kTcp,
  kTls,  // and nothing else, ever
};

struct UpstreamServer {
  SocketAddress address = {};
  UpstreamTransport transport = UpstreamTransport::kUdp;
  TlsClient::Options tls = {};  // only for kTls

  // "192.0.2.1:53", "tcp://192.0.2.1:53", "tls://192.0.2.1:853#dns.example.org": what it is called
  // in logs and metrics, and what its health is kept under. Pins and files do not show.
  [[nodiscard]] std::string label() const;

  friend bool operator==(const UpstreamServer&, const UpstreamServer&) = default;
};

// Those of a resolv.conf.
[[nodiscard]] std::vector<UpstreamServer> plain_servers(std::span<const SocketAddress> addresses);

// A server that can be asked: with the authorities' certificates read. Immutable; any thread.
struct PreparedServer {
  UpstreamServer server = {};
  std::shared_ptr<const TlsClient> tls = nullptr;  // only for kTls
};

// Fails as TlsClient::create() does, with the server's label in front.
[[nodiscard]] Result<PreparedServer> prepare(UpstreamServer server);

}  // namespace meshdns::dns
