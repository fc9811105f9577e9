#include "discovery/control/xds_access.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/metrics.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/server_certificates.h"

namespace meshdns::discovery {
namespace {

// Whether only this host reaches it. What is no address is reported by whoever listens.
bool is_local(const std::string& listen) {
  const auto address = SocketAddress::parse(listen);
  return !address || address->ip.is_loopback();
}

tl::unexpected<Error> refuse(std::string reason) {
  return fail(ErrorCode::kInvalidArgument, std::move(reason));
}

Result<void> check(const std::string& listen, const XdsAccess::Options& options) {
  const ServerTlsFiles& tls = options.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    return refuse(
        "a certificate and its key go together (give both --tls-cert-file and --tls-key-file)");
  }
  if (tls.certificate.empty() && !tls.client_ca.empty()) {
    return refuse(
        "clients show certificates over TLS alone (give --tls-cert-file and --tls-key-file beside "
        "--tls-client-ca-file)");
  }
  if (tls.certificate.empty() && !options.allow_plaintext && !is_local(listen)) {
    return refuse(
        fmt::format("--listen {} is reached by other hosts, which plaintext is not for (give "
                    "--tls-cert-file and --tls-key-file, or --allow-plaintext where the network "
                    "itself is safe)",
                    escape_text(listen)));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<XdsAccess>> XdsAccess::open(const std::string& listen,
                                                   const Options& options, FileSystem& files,
                                                   Logger& logger, ControlMetrics& metrics) {
  if (auto checked = check(listen, options); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  std::unique_ptr<XdsAccess> access(new XdsAccess(logger, metrics));
  if (!options.tls.certificate.empty()) {
    access->certificates_ = std::make_unique<ServerCertificates>(files, options.tls);
    if (auto loaded = access->certificates_->load(); !loaded) {
      return tl::unexpected(std::move(loaded.error()));
    }
  } else if (!is_local(listen)) {
    logger.warn("xDS is served in plaintext on {}: whoever is on the way reads and changes it",
                escape_text(listen));
  }
  access->update_gauges();
  return access;
}

void XdsAccess::configure(AdsServer::Options& options) const {
  options.certificates = certificates_.get();
}

void XdsAccess::refresh() {
  if (!certificates_) {
    return;
  }
  switch (certificates_->refresh()) {
    case ServerCertificates::Refresh::kSame:
      break;
    case ServerCertificates::Refresh::kChanged:
      metrics_.tls_reloads.add();
      logger_.info("another certificate is served to new connections");
      break;
    case ServerCertificates::Refresh::kFailed:
      logger_.error("the certificate before is served on: {}", problems().front());
      break;
  }
  update_gauges();
}

std::vector<std::string> XdsAccess::problems() const {
  std::vector<std::string> problems;
  if (certificates_) {
    if (const auto& problem = certificates_->problem()) {
      problems.push_back(*problem);
    }
  }
  return problems;
}

void XdsAccess::update_gauges() {
  metrics_.access_problems.set(static_cast<double>(problems().size()));
  if (certificates_) {
    const auto end = certificates_->current()->identity.not_after;
    metrics_.tls_certificate_end.set(static_cast<double>(end.time_since_epoch().count()));
  }
}

}  // namespace meshdns::discovery
