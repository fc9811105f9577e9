#include "discovery/xds/server_certificates.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/tls_identity.h"

namespace meshdns::discovery {

ServerCertificates::ServerCertificates(FileSystem& file_system, ServerTlsFiles files)
    : file_system_(file_system), files_(std::move(files)) {}

Result<ServerCertificates::Current> ServerCertificates::read() const {
  auto identity = read_tls_identity(file_system_, files_.certificate, files_.key);
  if (!identity) {
    return tl::unexpected(std::move(identity.error()));
  }
  Current current{.identity = *std::move(identity), .client_ca = {}};
  if (wants_client_certificates()) {
    auto client_ca =
        read_authorities(file_system_, files_.client_ca,
                         "write the path of the certificates that clients' are checked against");
    if (!client_ca) {
      return tl::unexpected(std::move(client_ca.error()));
    }
    current.client_ca = *std::move(client_ca);
  }
  return current;
}

Result<void> ServerCertificates::load() {
  return read().map([this](Current&& found) {
    const std::lock_guard lock(mutex_);
    current_ = std::make_shared<const Current>(std::move(found));
  });
}

ServerCertificates::Refresh ServerCertificates::refresh() {
  auto found = read();
  if (!found) {
    const bool is_new = last_failure_ != found.error().message;
    last_failure_ = std::move(found.error().message);
    if (is_new || problem_ == last_failure_) {
      return Refresh::kSame;
    }
    problem_ = last_failure_;
    return Refresh::kFailed;
  }
  last_failure_.clear();
  problem_.reset();
  const std::lock_guard lock(mutex_);
  if (*current_ == *found) {
    return Refresh::kSame;
  }
  current_ = std::make_shared<const Current>(*std::move(found));
  return Refresh::kChanged;
}

std::shared_ptr<const ServerCertificates::Current> ServerCertificates::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

}  // namespace meshdns::discovery
