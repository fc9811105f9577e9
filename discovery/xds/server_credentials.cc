#include "discovery/xds/server_credentials.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>

#include "discovery/xds/server_certificates.h"

namespace meshdns::discovery {
namespace {

// gRPC 1.51's C++ credentials take files that it watches itself, of which it serves whatever it
// reads, or certificates that never change. Its C interface asks at each handshake, so that is what
// this class gives to the server.
class TlsServerCredentials final : public grpc::ServerCredentials {
 public:
  explicit TlsServerCredentials(const ServerCertificates& certificates)
      : certificates_(certificates),
        credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                certificates.wants_client_certificates()
                    ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
                &TlsServerCredentials::fetch, this))) {}
  TlsServerCredentials(const TlsServerCredentials&) = delete;
  TlsServerCredentials& operator=(const TlsServerCredentials&) = delete;
  ~TlsServerCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  // On a thread of gRPC's.
  static grpc_ssl_certificate_config_reload_status fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<TlsServerCredentials*>(self)->give(config);
  }

  grpc_ssl_certificate_config_reload_status give(grpc_ssl_server_certificate_config** config) {
    auto current = certificates_.current();
    const std::lock_guard lock(mutex_);
    if (current == given_) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const grpc_ssl_pem_key_cert_pair pair{.private_key = current->identity.key.c_str(),
                                          .cert_chain = current->identity.certificate.c_str()};
    // gRPC 1.51 aborts where there are no authorities. Those of a server that asks for no
    // certificates check nothing: its own will do.
    const std::string& authorities =
        current->client_ca.empty() ? current->identity.certificate : current->client_ca;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    given_ = std::move(current);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  const ServerCertificates& certificates_;
  grpc_server_credentials* const credentials_;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<const ServerCertificates::Current> given_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> make_server_credentials(
    const ServerCertificates* certificates) {
  if (certificates == nullptr) {
    return grpc::InsecureServerCredentials();
  }
  return std::make_shared<TlsServerCredentials>(*certificates);
}

}  // namespace meshdns::discovery
