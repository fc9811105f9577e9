// What the settings of an Istio control plane mean: its addresses and the files they name.
//
// Errors are "reason (what to do)".
#pragma once

#include <map>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

// "https://HOST:PORT", as istiod serves on port 15012, or "http://HOST:PORT", as on 15010.
[[nodiscard]] Result<std::string> parse_istio_address(const std::string& text);
// Its "HOST:PORT".
[[nodiscard]] std::string istio_host_and_port(const std::string& address);
// Whether all of them are asked in TLS, or none; an error where it is some.
[[nodiscard]] Result<bool> istio_uses_tls(const Config::Istio& istio);

// A DNS name that can stand in a node's id.
[[nodiscard]] Result<std::string> parse_istio_name(const std::string& text);

// "KEY=VALUE", where istio-agent would have a variable ISTIO_META_KEY.
[[nodiscard]] Result<std::string> parse_istio_metadata(const std::string& text);
[[nodiscard]] std::map<std::string, std::string> istio_metadata(const Config::Istio& istio);

// The files as they are now: tokens are renewed every few hours. Only with TLS.
[[nodiscard]] Result<discovery::AdsCredentials> read_istio_credentials(FileSystem& files,
                                                                       const Config::Istio& istio);

}  // namespace meshdns::dns
