// Groups of upstream servers, and which names go where, as a configuration writes them:
//
//   corp = hedged 192.0.2.1 tls://192.0.2.2#dns.corp.example    a group, its policy and its servers
//   corp.example = corp                                         a route to a group
//   ads.example = refuse                                        or nxdomain, or no-aaaa [GROUP]
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resolver/forward/route_table.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

// The group that `upstreams.servers` or resolv.conf is.
inline constexpr std::string_view kDefaultGroup = "default";

struct ConfiguredGroup {
  std::string name = {};
  ForwardPolicy policy = ForwardPolicy::kSequential;
  std::vector<UpstreamServer> servers = {};  // at least one

  friend bool operator==(const ConfiguredGroup&, const ConfiguredGroup&) = default;
};

struct ConfiguredRoute {
  std::string suffix = {};  // in lower case without a final dot; "." is the root
  RouteAnswer answer = RouteAnswer::kForward;
  std::string group = {};  // empty for kRefuse and kNoName; for kNoAaaa: where it would go anyway

  friend bool operator==(const ConfiguredRoute&, const ConfiguredRoute&) = default;
};

[[nodiscard]] std::string_view policy_word(ForwardPolicy policy);

// Errors are "reason (what to write instead)". Blanks around '=' and between words do not matter.
[[nodiscard]] Result<ConfiguredGroup> parse_group(const std::string& text);
[[nodiscard]] std::string print_group(const ConfiguredGroup& group);
[[nodiscard]] Result<ConfiguredRoute> parse_route(const std::string& text);
[[nodiscard]] std::string print_route(const ConfiguredRoute& route);

// What is wrong with all of them together, a sentence each: a name or suffix that is there twice, a
// group that nobody configured, a suffix inside of a zone in `owned`, where the route would never
// be reached.
struct RouteProblem {
  bool is_of_group = false;  // else of a route
  std::string reason;
};
[[nodiscard]] std::vector<RouteProblem> check_routes(const std::vector<ConfiguredGroup>& groups,
                                                     const std::vector<ConfiguredRoute>& routes,
                                                     const std::vector<std::string>& owned);

}  // namespace meshdns::dns
