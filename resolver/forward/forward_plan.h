// What forwarding goes by: which servers there are, in which groups, and which names go where.
// Immutable once it is in use; any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "resolver/forward/route_table.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

struct ServerGroup {
  std::string name = {};
  ForwardPolicy policy = ForwardPolicy::kSequential;
  std::vector<PreparedServer> servers = {};
  std::optional<std::chrono::milliseconds> longest_turn = {};  // of a server, in sequence
  bool trusts_ad = false;  // what the servers say of DNSSEC (RFC 6840 section 5.8)
};

struct ForwardPlan {
  // The first is asked where no route leads elsewhere.
  std::vector<ServerGroup> groups = std::vector<ServerGroup>(1);
  RouteTable routes = {};
};

}  // namespace meshdns::dns
