// What the settings of our own control plane mean beside its address: TLS, certificates, a token.
//
// Errors are "reason (what to do)" and never quote a token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

// The name that the control plane's certificate has to be for: a DNS name or an address; may be
// empty.
[[nodiscard]] Result<std::string> parse_server_name(const std::string& text);

// The files as they are now: tokens and certificates are renewed.
[[nodiscard]] Result<discovery::AdsCredentials> read_control_plane_credentials(
    FileSystem& files, const Config::ControlPlane& control_plane);

struct ControlPlaneProblem {
  std::string_view key;  // of the setting
  std::string reason;
};
// Settings that do not go together.
[[nodiscard]] std::vector<ControlPlaneProblem> find_contradictions(
    const Config::ControlPlane& control_plane);
// Files that cannot be read now.
[[nodiscard]] std::vector<ControlPlaneProblem> find_bad_files(
    FileSystem& files, const Config::ControlPlane& control_plane);

}  // namespace meshdns::dns
