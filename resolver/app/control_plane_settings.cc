#include "resolver/app/control_plane_settings.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"
#include "resolver/app/connection_credentials.h"

namespace meshdns::dns {
namespace {

using Problems = std::vector<ControlPlaneProblem>;

CredentialFiles files_of(const Config::ControlPlane& control_plane) {
  return {.tls = control_plane.tls,
          .server_name = control_plane.server_name,
          .ca = control_plane.ca_cert_file,
          .certificate = control_plane.cert_file,
          .key = control_plane.key_file,
          .token = control_plane.token_file,
          .token_is_from = "`meshdns-cp token --mesh MESH --name NAME` makes one"};
}

// Whether what is sent there stays on this host. A name may come to mean any address.
bool is_local(const std::string& address) {
  const auto literal = SocketAddress::parse(address);
  return address.starts_with("unix:") || (literal && literal->ip.is_loopback());
}

}  // namespace

Result<std::string> parse_server_name(const std::string& text) {
  if (!text.empty() && !discovery::is_dns_name(text) && !IpAddress::parse(text)) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no name of a server (write a DNS name or an address, without a port)",
                    escape_name(text)));
  }
  return text;
}

Result<discovery::AdsCredentials> read_control_plane_credentials(
    FileSystem& files, const Config::ControlPlane& control_plane) {
  return read_credentials(files, files_of(control_plane));
}

Problems find_contradictions(const Config::ControlPlane& control_plane) {
  Problems problems;
  const auto needs_tls = [&](std::string_view key, const std::string& value) {
    if (!control_plane.tls && !value.empty()) {
      problems.push_back({key, "is for TLS alone (set control_plane.tls to true, or remove this)"});
    }
  };
  needs_tls("control_plane.server_name", control_plane.server_name);
  needs_tls("control_plane.ca_cert_file", control_plane.ca_cert_file);
  needs_tls("control_plane.cert_file", control_plane.cert_file);
  needs_tls("control_plane.key_file", control_plane.key_file);
  if (control_plane.cert_file.empty() != control_plane.key_file.empty()) {
    problems.push_back(
        {control_plane.cert_file.empty() ? "control_plane.key_file" : "control_plane.cert_file",
         "a certificate and its key go together (set control_plane.cert_file and "
         "control_plane.key_file)"});
  }
  if (!control_plane.token_file.empty() && !control_plane.tls &&
      !control_plane.allow_plaintext_token && !is_local(control_plane.address)) {
    problems.push_back(
        {"control_plane.token_file",
         fmt::format("the token would go to {} in plaintext, for others to take (set "
                     "control_plane.tls to true, or control_plane.allow_plaintext_token where the "
                     "network itself is safe)",
                     escape_text(control_plane.address))});
  }
  return problems;
}

Problems find_bad_files(FileSystem& files, const Config::ControlPlane& control_plane) {
  Problems problems;
  const CredentialFiles all = files_of(control_plane);
  const auto read = [&](std::string_view key, const CredentialFiles& some) {
    if (auto credentials = read_credentials(files, some); !credentials) {
      problems.push_back({key, std::move(credentials.error().message)});
    }
  };
  CredentialFiles ca;
  ca.ca = all.ca;
  read("control_plane.ca_cert_file", ca);
  if (!all.key.empty()) {
    CredentialFiles identity;
    identity.certificate = all.certificate;
    identity.key = all.key;
    read("control_plane.cert_file", identity);
  }
  CredentialFiles token;
  token.token = all.token;
  token.token_is_from = all.token_is_from;
  read("control_plane.token_file", token);
  return problems;
}

}  // namespace meshdns::dns
