#include "discovery/xds/ads_target.h"

#include <cstddef>
#include <span>
#include <string>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {

Result<AdsTarget> AdsTarget::parse(const std::string& text) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("control plane target \"{}\": want ipv4:ADDRESS:PORT, "
                            "ipv6:[ADDRESS]:PORT, both with #NAME if need be, or unix:PATH",
                            text));
  };
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon + 1 == text.size()) {
    return wrong();
  }
  const std::string scheme = text.substr(0, colon);
  if (scheme == "unix") {
    return AdsTarget{.address = text, .authority = {}};  // a path may have a '#' in it
  }
  AdsTarget target{.address = text, .authority = {}};
  if (const std::size_t hash = text.find('#'); hash != std::string::npos) {
    target = {.address = text.substr(0, hash), .authority = text.substr(hash + 1)};
  }
  const auto address = SocketAddress::parse(target.address.substr(colon + 1));
  const bool family_fits = address && ((scheme == "ipv4" && address->ip.is_v4()) ||
                                       (scheme == "ipv6" && !address->ip.is_v4()));
  if (!family_fits || address->port == 0) {
    return wrong();
  }
  return target;
}

Result<void> check_targets(std::span<const std::string> targets) {
  if (targets.empty()) {
    return fail(ErrorCode::kInvalidArgument, "no control plane target");
  }
  for (const std::string& target : targets) {
    if (const auto parsed = AdsTarget::parse(target); !parsed) {
      return tl::unexpected(parsed.error());
    }
  }
  return {};
}

}  // namespace meshdns::discovery
