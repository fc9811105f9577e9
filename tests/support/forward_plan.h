// Plans of forwarding for tests.
#pragma once

#include <memory>
#include <vector>

#include "base/ip_address.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::support {

// Everything goes to these servers, in order.
inline std::shared_ptr<const dns::ForwardPlan> plan_of(const std::vector<SocketAddress>& servers) {
  auto plan = std::make_shared<dns::ForwardPlan>();
  for (const dns::UpstreamServer& server : dns::plain_servers(servers)) {
    plan->groups.front().servers.push_back({.server = server});
  }
  return plan;
}

}  // namespace meshdns::support
