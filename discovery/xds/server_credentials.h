// The server's end of TLS as gRPC's credentials. gRPC headers: include it in few sources.
#pragma once

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "discovery/xds/server_certificates.h"

namespace meshdns::discovery {

// Each handshake takes what `certificates` holds then; connections that are open keep theirs. Null:
// plaintext. The credentials outlive the server, `certificates`, which are loaded, both.
[[nodiscard]] std::shared_ptr<grpc::ServerCredentials> make_server_credentials(
    const ServerCertificates* certificates);

}  // namespace meshdns::discovery
