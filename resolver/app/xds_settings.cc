#include "resolver/app/xds_settings.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/certificate_file.h"
#include "resolver/app/config.h"

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
  discovery::AdsCredentials credentials{.tls = xds.tls, .ca_certificates = {}, .token = {}};
  if (!xds.ca_cert_file.empty()) {
    auto certificates =
        read_certificates(files, xds.ca_cert_file, "write the path of a file in PEM form");
    if (!certificates) {
      return tl::unexpected(std::move(certificates.error()));
    }
    credentials.ca_certificates = *std::move(certificates);
  }
  return credentials;
}

}  // namespace meshdns::dns
