// The pools that virtual addresses are from unless something else is configured.
#pragma once

#include <string_view>

namespace meshdns::vip {

// Clear of the ranges that Kuma and Istio hand out.
inline constexpr std::string_view kDefaultIpv4Pool = "244.0.0.0/6";
// fd + "mesh" + "dns" in ASCII.
inline constexpr std::string_view kDefaultIpv6Pool = "fd6d:6573:6864:6e73::/64";

}  // namespace meshdns::vip
