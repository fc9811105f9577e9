#include "resolver/app/kuma_settings.h"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"
#include "resolver/app/connection_credentials.h"
#include "resolver/app/setting_values.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::string_view kCertificateIsFrom =
    "kuma-cp writes its own as kuma-cp.crt into its work directory, ~/.kuma by default";
constexpr std::string_view kTokenIsFrom =
    "`kumactl generate dataplane-token --mesh MESH --name NAME` makes one";
constexpr std::size_t kMaxDataplaneBytes = 1UL << 20U;

constexpr std::array<KumaVariable, 9> kVariables{{
    {"KUMA_CONTROL_PLANE_URL", "kuma.cp_addresses"},
    {"KUMA_CONTROL_PLANE_CA_CERT_FILE", "kuma.ca_cert_file"},
    {"KUMA_DATAPLANE_MESH", "mesh"},
    {"KUMA_DATAPLANE_NAME", "kuma.name"},
    {"KUMA_DATAPLANE_RUNTIME_TOKEN", "kuma.dataplane_token"},
    {"KUMA_DATAPLANE_RUNTIME_TOKEN_PATH", "kuma.dataplane_token_file"},
    {"KUMA_DATAPLANE_RUNTIME_RESOURCE_PATH", "kuma.dataplane_file"},
    {"KUMA_READINESS_PORT", "kuma.readiness_port"},
    {"KUMA_DNS_PROXY_PORT", "listen", "127.0.0.1:"},
}};

std::string text_of(const YAML::Node& document, const char* key) {
  const YAML::Node value = document[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : std::string();
}

Result<YAML::Node> parse_yaml(const std::string& text, const std::string& path) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    return refuse(fmt::format("{}:{}: {} (write a Dataplane as YAML or JSON)", escape_text(path),
                              error.mark.line + 1, escape_text(error.msg)));
  }
}

}  // namespace

Result<std::string> parse_kuma_address(const std::string& text) {
  if (!text.starts_with(kScheme)) {
    return refuse(
        fmt::format("'{}' does not begin with https:// (write such as "
                    "https://localhost:5678: Kuma speaks TLS there)",
                    escape_name(text)));
  }
  std::string rest = text.substr(kScheme.size());
  if (rest.ends_with('/')) {
    rest.pop_back();
  }
  const auto address = rest.starts_with("unix:") ? refuse("") : parse_control_plane(rest);
  if (!address) {
    return refuse(fmt::format("'{}' has no HOST:PORT (write such as https://localhost:5678)",
                              escape_name(text)));
  }
  return std::string(kScheme) + *address;
}

std::string kuma_host_and_port(const std::string& address) {
  return address.substr(kScheme.size());
}

std::span<const KumaVariable> kuma_variables() { return kVariables; }

Result<KumaDataplane> read_kuma_dataplane(FileSystem& files, const std::string& path) {
  auto text = read_file(files, path, kMaxDataplaneBytes);
  if (!text) {
    return refuse(escape_text(text.error().message) + " (write the path of a Dataplane)");
  }
  if (text->find("{{") != std::string::npos) {
    return refuse(escape_text(path) +
                  " has {{variables}} in it, which are not filled in here (write what they stand "
                  "for)");
  }
  const auto document = parse_yaml(*text, path);
  if (!document) {
    return tl::unexpected(document.error());
  }
  if (!document->IsMap() || text_of(*document, "type") != "Dataplane") {
    return refuse(escape_text(path) + " is no Dataplane (its `type` is to be Dataplane)");
  }
  KumaDataplane dataplane{.text = *std::move(text),
                          .mesh = text_of(*document, "mesh"),
                          .name = text_of(*document, "name")};
  return dataplane;
}

Result<discovery::AdsCredentials> read_kuma_credentials(FileSystem& files,
                                                        const Config::Kuma& kuma) {
  const bool has_token = !kuma.dataplane_token.empty();
  auto credentials =
      read_credentials(files, {.ca = kuma.ca_cert_file,
                               .token = has_token ? std::string() : kuma.dataplane_token_file,
                               .ca_is_from = kCertificateIsFrom,
                               .token_is_from = kTokenIsFrom});
  if (credentials && has_token) {
    credentials->token = kuma.dataplane_token;
  }
  return credentials;
}

}  // namespace meshdns::dns
