#include "resolver/app/xds_settings.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/config.h"
#include "resolver/app/connection_credentials.h"

namespace meshdns::dns {

Result<std::string> parse_node_text(const std::string& text) {
  constexpr std::size_t kMaxOctets = 1024;
  const bool is_good = text.size() <= kMaxOctets &&
                       std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  if (!is_good) {
    return fail(ErrorCode::kInvalidArgument,
                "is no node's name (write at most 1024 printable ASCII characters, no blanks)");
  }
  return text;
}

Result<discovery::AdsCredentials> read_xds_credentials(FileSystem& files, const Config::Xds& xds) {
  return read_credentials(files, {.tls = xds.tls, .ca = xds.ca_cert_file});
}

}  // namespace meshdns::dns
