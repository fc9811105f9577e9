// What the settings of a Kuma control plane mean: its addresses, the files they name, and the
// environment variables that kuma-dp is set up with.
//
// Errors are "reason (what to do)".
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "base/backoff.h"
#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

// Kuma takes no stream of a proxy while it holds on to the one before: for ten seconds, where the
// proxy registered itself.
inline constexpr Backoff::Options kKumaBackoff{.initial = std::chrono::seconds(1),
                                               .maximum = std::chrono::seconds(15)};

// "https://HOST:PORT", as kuma-dp takes it in --cp-address.
[[nodiscard]] Result<std::string> parse_kuma_address(const std::string& text);
// Its "HOST:PORT".
[[nodiscard]] std::string kuma_host_and_port(const std::string& address);

// Variables of kuma-dp that mean a setting of ours. They count where Kuma is the control plane, and
// less than our own variables.
struct KumaVariable {
  std::string_view name;
  std::string_view key;
  // What stands before the value, where the setting takes more than kuma-dp's variable says.
  std::string_view prefix{};
};
[[nodiscard]] std::span<const KumaVariable> kuma_variables();

// A Dataplane that registers itself.
struct KumaDataplane {
  std::string text;  // as it is in the file
  std::string mesh;  // empty where the file does not say
  std::string name;
};
[[nodiscard]] Result<KumaDataplane> read_kuma_dataplane(FileSystem& files, const std::string& path);

// The files as they are now: tokens and certificates are renewed.
[[nodiscard]] Result<discovery::AdsCredentials> read_kuma_credentials(FileSystem& files,
                                                                      const Config::Kuma& kuma);

}  // namespace meshdns::dns
