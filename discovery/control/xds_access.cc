#include "discovery/control/xds_access.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/metrics.h"
#include "discovery/control/token_authenticator.h"
#include "discovery/control/token_verifier.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/server_certificates.h"

namespace meshdns::discovery {
namespace {

// Whether only this host reaches it. What is no address is reported by whoever listens.
bool is_local(const std::string& listen) {
  const auto address = SocketAddress::parse(listen);
  return !address || address->ip.is_loopback();
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
                                                   const WallClock& wall, Logger& logger,
                                                   ControlMetrics& metrics) {
  if (auto checked = check(listen, options); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  std::unique_ptr<XdsAccess> access(new XdsAccess(logger, metrics));
  const bool is_tls = !options.tls.certificate.empty();
  if (is_tls) {
    access->certificates_ = std::make_unique<ServerCertificates>(files, options.tls);
    if (auto loaded = access->certificates_->load(); !loaded) {
      return tl::unexpected(std::move(loaded.error()));
    }
  } else if (!is_local(listen)) {
    logger.warn("xDS is served in plaintext on {}: whoever is on the way reads and changes it",
                escape_text(listen));
  }
  if (options.auth.value_or(is_tls ? ClientAuth::kToken : ClientAuth::kNone) ==
      ClientAuth::kToken) {
    access->authenticator_ =
        std::make_unique<TokenAuthenticator>(files, options.tokens, wall, metrics.refused_clients);
    access->refresh_tokens();
    if (!access->authenticator_->verifier().has_keys()) {
      logger.warn("no client can connect: {} has no key (`meshdns-cp token` makes one)",
                  escape_text(token_keys_folder(options.tokens)));
    }
  } else if (!is_local(listen) && options.tls.client_ca.empty()) {
    logger.warn("xDS is served to whoever connects to {}", escape_text(listen));
  }
  access->update_gauges();
  return access;
}

void XdsAccess::configure(AdsServer::Options& options) const {
  options.certificates = certificates_.get();
  options.authenticator = authenticator_.get();
}

void XdsAccess::refresh() {
  refresh_certificates();
  refresh_tokens();
  update_gauges();
}

void XdsAccess::refresh_certificates() {
  if (certificates_ == nullptr) {
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
}

void XdsAccess::refresh_tokens() {
  if (authenticator_ == nullptr) {
    return;
  }
  authenticator_->refresh();
  const std::vector<std::string>& problems = authenticator_->verifier().problems();
  for (const std::string& problem : problems) {
    if (std::ranges::find(token_problems_, problem) == token_problems_.end()) {
      logger_.error("what was known of tokens before counts on: {}", problem);
    }
  }
  token_problems_ = problems;
}

std::vector<std::string> XdsAccess::problems() const {
  std::vector<std::string> problems;
  if (certificates_) {
    if (const auto& problem = certificates_->problem()) {
      problems.push_back(*problem);
    }
  }
  problems.insert(problems.end(), token_problems_.begin(), token_problems_.end());
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
