// Who a Kuma control plane is told that we are: a sidecar whose DNS is answered from the table in
// its listeners. Keys and values are those of Kuma's pkg/core/xds/metadata.go.
#pragma once

#include <cstdint>
#include <string>

#include "discovery/xds/node.h"

namespace meshdns::discovery {

struct KumaProxy {
  std::string mesh;  // has no dot: the control plane cuts the node's id at the first one
  std::string name;  // of the Dataplane
  // The Dataplane itself, YAML or JSON: the control plane makes it when the stream begins and
  // deletes it a while after its end. Empty: it is there already.
  std::string dataplane;
  std::uint16_t dns_port = 15053;  // not 0, which turns DNS off
  std::string work_directory;
};

[[nodiscard]] NodeInfo kuma_node(const KumaProxy& proxy, const std::string& user_agent);

}  // namespace meshdns::discovery
