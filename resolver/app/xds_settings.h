// What the settings of a plain xDS control plane mean. Errors are "reason (what to do)".
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

// A node's id or cluster: printable ASCII without blanks; may be empty.
[[nodiscard]] Result<std::string> parse_node_text(const std::string& text);

// The file as it is now: certificates are renewed.
[[nodiscard]] Result<discovery::AdsCredentials> read_xds_credentials(FileSystem& files,
                                                                     const Config::Xds& xds);

}  // namespace meshdns::dns
