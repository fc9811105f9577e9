#include "discovery/feeds/istio_node.h"

#include <string>

#include <fmt/format.h>

#include "discovery/xds/node.h"

namespace meshdns::discovery {

NodeInfo istio_node(const IstioProxy& proxy, const std::string& user_agent) {
  NodeInfo node;
  node.id = fmt::format("sidecar~{}~{}.{}~{}.{}", proxy.address.to_string(), proxy.workload,
                        proxy.name_space, proxy.name_space, proxy.domain);
  node.cluster = fmt::format("{}.{}", proxy.workload, proxy.name_space);
  node.user_agent = user_agent;
  node.metadata = {
      // Without these, services to which istiod itself gives addresses are not told.
      {"DNS_CAPTURE", "true"},         {"DNS_AUTO_ALLOCATE", "true"},
      {"CLUSTER_ID", "Kubernetes"},  // istiod's own where nobody gave it another
      {"NAMESPACE", proxy.name_space}, {"INSTANCE_IPS", proxy.address.to_string()},
  };
  for (const auto& [key, value] : proxy.metadata) {
    node.metadata[key] = value;
  }
  return node;
}

}  // namespace meshdns::discovery
