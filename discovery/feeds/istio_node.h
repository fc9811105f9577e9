// Who an Istio control plane (istiod) is told that we are: a sidecar that captures DNS. Form and
// keys are those of istio-agent.
#pragma once

#include <map>
#include <string>

#include "base/ip_address.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

struct IstioProxy {
  // DNS names all three, so that none has a '~' in it, which parts the id.
  std::string workload;                         // a name of its own in its namespace
  std::string name_space;                       // the Kubernetes namespace it counts to
  std::string domain;                           // of Kubernetes services, e.g. svc.cluster.local
  IpAddress address;                            // of this host
  std::map<std::string, std::string> metadata;  // more, e.g. CLUSTER_ID, NETWORK; these count
};

[[nodiscard]] NodeInfo istio_node(const IstioProxy& proxy, const std::string& user_agent);

}  // namespace meshdns::discovery
