#include "resolver/forward/upstream_server.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/forward/tls_client.h"

namespace meshdns::dns {

std::string UpstreamServer::label() const {
  switch (transport) {
    case UpstreamTransport::kTcp:
      return "tcp://" + address.to_string();
    case UpstreamTransport::kTls:
      return "tls://" + address.to_string() + (tls.name.empty() ? "" : "#" + tls.name);
    case UpstreamTransport::kUdp:
      break;
  }
  return address.to_string();
}

std::vector<UpstreamServer> plain_servers(std::span<const SocketAddress> addresses) {
  std::vector<UpstreamServer> servers;
  servers.reserve(addresses.size());
  for (const SocketAddress& address : addresses) {
    servers.push_back({.address = address});
  }
  return servers;
}

Result<PreparedServer> prepare(UpstreamServer server) {
  PreparedServer prepared{.server = std::move(server)};
  if (prepared.server.transport == UpstreamTransport::kTls) {
    auto tls = TlsClient::create(prepared.server.tls);
    if (!tls) {
      return fail(prepared.server.label(), std::move(tls.error()));
    }
    prepared.tls = *std::move(tls);
  }
  return prepared;
}

}  // namespace meshdns::dns
