#include "resolver/app/istio_settings.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"
#include "resolver/app/connection_credentials.h"
#include "resolver/app/setting_values.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kTls = "https://";
constexpr std::string_view kPlain = "http://";

}  // namespace

Result<std::string> parse_istio_address(const std::string& text) {
  const std::string_view scheme = text.starts_with(kTls) ? kTls : kPlain;
  if (!text.starts_with(scheme)) {
    return refuse(
        fmt::format("'{}' begins with neither https:// nor http:// (write such as "
                    "https://istiod.istio-system.svc:15012)",
                    escape_name(text)));
  }
  std::string rest = text.substr(scheme.size());
  if (rest.ends_with('/')) {
    rest.pop_back();
  }
  const auto address = rest.starts_with("unix:") ? refuse("") : parse_control_plane(rest);
  if (!address) {
    return refuse(
        fmt::format("'{}' has no HOST:PORT (write such as https://istiod.istio-system.svc:15012)",
                    escape_name(text)));
  }
  return std::string(scheme) + *address;
}

std::string istio_host_and_port(const std::string& address) {
  return address.substr((address.starts_with(kTls) ? kTls : kPlain).size());
}

Result<bool> istio_uses_tls(const Config::Istio& istio) {
  const auto in_tls = static_cast<std::size_t>(std::ranges::count_if(
      istio.addresses, [](const std::string& address) { return address.starts_with(kTls); }));
  if (in_tls != 0 && in_tls != istio.addresses.size()) {
    return refuse("some are https:// and some http:// (write all of one kind)");
  }
  return in_tls != 0;
}

Result<std::string> parse_istio_name(const std::string& text) {
  if (!discovery::is_dns_name(text)) {
    return refuse(fmt::format("'{}' is no DNS name (write letters, digits, hyphens and dots)",
                              escape_name(text)));
  }
  return text;
}

Result<std::string> parse_istio_metadata(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string_view key = std::string_view(text).substr(0, equals);
  const bool is_key = !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  const bool is_text = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  if (equals == std::string::npos || !is_key || !is_text) {
    return refuse(
        fmt::format("'{}' is no KEY=VALUE (write such as CLUSTER_ID=east)", escape_name(text)));
  }
  return text;
}

std::map<std::string, std::string> istio_metadata(const Config::Istio& istio) {
  std::map<std::string, std::string> metadata;
  for (const std::string& text : istio.metadata) {
    const std::size_t equals = text.find('=');
    metadata[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return metadata;
}

Result<discovery::AdsCredentials> read_istio_credentials(FileSystem& files,
                                                         const Config::Istio& istio) {
  auto credentials = read_credentials(
      files,
      {.ca = istio.ca_cert_file,
       .token = istio.token_file,
       .ca_is_from =
           "istioctl and `kubectl get configmap istio-ca-root-cert` have it as root-cert.pem",
       .token_is_from = "`kubectl create token --audience istio-ca ACCOUNT` makes one"});
  if (credentials && !credentials->token.empty()) {
    credentials->token.insert(0, "Bearer ");
  }
  return credentials;
}

}  // namespace meshdns::dns
