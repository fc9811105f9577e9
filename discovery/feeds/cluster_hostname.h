// What a cluster of xDS is called in DNS. A cluster's name is any text that its control plane
// likes; those with '|', '/', ':' and the like name no host.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace meshdns::discovery {

// `cluster` below the first of `zones` ("web" is web.mesh, "web.shop" web.shop.mesh), or itself
// where it stands in one of them already ("web.mesh"), in lower case. A name elsewhere is never
// taken for itself: a cluster that is called www.example.org is no claim to that host. Nothing when
// that is no DNS name. `zones` are in lower case, without trailing dots, and at least one.
[[nodiscard]] std::optional<std::string> cluster_hostname(std::string_view cluster,
                                                          std::span<const std::string> zones);

}  // namespace meshdns::discovery
