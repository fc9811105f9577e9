// Upstream servers as a configuration writes them:
//
//   ADDRESS[:PORT]                             over UDP, and TCP for what that truncates; port 53
//   tcp://ADDRESS[:PORT]                       over TCP; port 53
//   tls://ADDRESS[:PORT]#NAME                  over TLS, the certificate being NAME's; port 853
//   tls://ADDRESS[:PORT][#NAME];pin=sha256/... the server's key is one of these (RFC 7858 4.2)
//   tls://ADDRESS[:PORT]#NAME;ca=PATH          authorities other than the system's
#pragma once

#include <string>

#include "base/result.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

// Errors are "reason (what to write instead)".
[[nodiscard]] Result<UpstreamServer> parse_upstream_server(const std::string& text);

// What parse_upstream_server() makes the same server of.
[[nodiscard]] std::string print_upstream_server(const UpstreamServer& server);

}  // namespace meshdns::dns
