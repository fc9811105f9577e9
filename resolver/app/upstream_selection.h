// Which servers other names are forwarded to: the configured ones, or those of resolv.conf, and
// never this resolver itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/app/route_text.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

// How the servers are asked to which no route leads: as resolv.conf's `options` say, where they are
// from there.
struct DefaultManners {
  ForwardPolicy policy = ForwardPolicy::kSequential;        // `rotate`
  std::optional<std::chrono::milliseconds> longest_turn{};  // `timeout`
  bool no_aaaa = false;                                     // `no-aaaa`
  bool trusts_ad = false;                                   // `trust-ad`

  friend bool operator==(const DefaultManners&, const DefaultManners&) = default;
};

struct UpstreamSelection {
  // Where no route leads elsewhere, in the order in which they are asked; may be empty.
  std::vector<UpstreamServer> servers = {};
  DefaultManners manners = {};  // of these
  std::vector<ConfiguredGroup> groups = {};
  std::vector<ConfiguredRoute> routes = {};
  std::size_t refused = 0;                 // left out because they are this resolver
  std::vector<std::string> warnings = {};  // each a sentence
  std::vector<std::string> notes = {};     // what nobody needs to mind; each a sentence

  // Whether questions go the same ways.
  [[nodiscard]] bool asks_as(const UpstreamSelection& other) const {
    return servers == other.servers && manners == other.manners && groups == other.groups &&
           routes == other.routes;
  }
  // Whether a server's authorities are in a file of their own, which may say something new.
  [[nodiscard]] bool names_files() const;
  // Those that may be asked without TLS: c-ares, which asks for the control plane, has none.
  [[nodiscard]] std::vector<UpstreamServer> servers_without_tls() const;

  friend bool operator==(const UpstreamSelection&, const UpstreamSelection&) = default;
};

// `listening` are our addresses with their real ports, `host` those of the host's interfaces.
// A configured server that is one of ours is an error. In resolv.conf it is left out with a
// warning, as is everything else that is wrong there: the file is not ours to demand things of.
[[nodiscard]] Result<UpstreamSelection> select_upstreams(const Config& config, FileSystem& files,
                                                         std::span<const SocketAddress> listening,
                                                         std::span<const IpAddress> host);

// The default group's servers and their manners, in the form of resolv.conf(5).
[[nodiscard]] std::string to_resolv_conf(const UpstreamSelection& selection);
// What select_upstreams() made of a resolv.conf that held `text`.
[[nodiscard]] UpstreamSelection select_by_resolv_conf(const Config& config, std::string_view text,
                                                      std::span<const SocketAddress> listening,
                                                      std::span<const IpAddress> host);

// What to use while the program runs, when a new look at resolv.conf gave `now` and `before` is in
// use: a file that is being rewritten may be empty for a moment, and one that names this resolver
// alone, since clients should ask it, has nobody to forward to. The servers it named before are
// then asked on in the same manners, with a warning, save those that are ourselves by now.
[[nodiscard]] UpstreamSelection keep_servers(UpstreamSelection now, const UpstreamSelection& before,
                                             std::span<const SocketAddress> listening,
                                             std::span<const IpAddress> host);

// What is configured but for resolv.conf: its servers, groups and routes. Those that are this
// resolver are left out, each with a warning.
[[nodiscard]] UpstreamSelection select_configured(const Config& config,
                                                  std::span<const SocketAddress> listening,
                                                  std::span<const IpAddress> host);

// The servers ready to be asked, the default group first. Fails when the file of one's authorities
// cannot be used.
[[nodiscard]] Result<std::shared_ptr<const ForwardPlan>> make_plan(
    const UpstreamSelection& selection);

}  // namespace meshdns::dns
