#include "resolver/app/connection_credentials.h"

#include <utility>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/tls_identity.h"
#include "resolver/app/token_file.h"

namespace meshdns::dns {

Result<discovery::AdsCredentials> read_credentials(FileSystem& files,
                                                   const CredentialFiles& paths) {
  discovery::AdsCredentials credentials;
  credentials.tls = paths.tls;
  credentials.server_name = paths.server_name;
  if (!paths.ca.empty()) {
    auto certificates = discovery::read_authorities(files, paths.ca, paths.ca_is_from);
    if (!certificates) {
      return tl::unexpected(std::move(certificates.error()));
    }
    credentials.ca_certificates = *std::move(certificates);
  }
  if (!paths.certificate.empty()) {
    auto identity = discovery::read_tls_identity(files, paths.certificate, paths.key);
    if (!identity) {
      return tl::unexpected(std::move(identity.error()));
    }
    credentials.certificate = std::move(identity->certificate);
    credentials.key = std::move(identity->key);
  }
  if (!paths.token.empty()) {
    auto token = read_token(files, paths.token, paths.token_is_from);
    if (!token) {
      return tl::unexpected(std::move(token.error()));
    }
    credentials.token = *std::move(token);
  }
  return credentials;
}

}  // namespace meshdns::dns
