// Which servers other names are forwarded to: the configured ones, or those of resolv.conf, and
// never this resolver itself.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

struct UpstreamSelection {
  std::vector<SocketAddress> servers;  // in the order in which they are asked; may be empty
  std::size_t refused = 0;             // left out because they are this resolver
  std::vector<std::string> warnings;   // each a sentence

  friend bool operator==(const UpstreamSelection&, const UpstreamSelection&) = default;
};

// `listening` are our addresses with their real ports, `host` those of the host's interfaces.
// A configured server that is one of ours is an error. In resolv.conf it is left out with a
// warning, as is everything else that is wrong there: the file is not ours to demand things of.
[[nodiscard]] Result<UpstreamSelection> select_upstreams(const Config& config, FileSystem& files,
                                                         std::span<const SocketAddress> listening,
                                                         std::span<const IpAddress> host);

// What to use while the program runs, when a new look at resolv.conf gave `now` and `before` is in
// use: a file that is being rewritten may be empty for a moment, and one that names this resolver
// alone, since clients should ask it, has nobody to forward to. The servers it named before are
// then asked on, with a warning, save those that are ourselves by now.
[[nodiscard]] UpstreamSelection keep_servers(UpstreamSelection now, const UpstreamSelection& before,
                                             std::span<const SocketAddress> listening,
                                             std::span<const IpAddress> host);

}  // namespace meshdns::dns
