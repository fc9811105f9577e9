// Which mesh and Dataplane a node says it is.
#pragma once

#include <string>

#include "base/result.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

// Its metadata's `mesh`, else what its id MESH.NAME begins with. Of a node as Istio has them,
// TYPE~IP~WORKLOAD.NAMESPACE~DOMAIN: its metadata's `MESH_ID`, else "default". kInvalidArgument
// where that is no name of a mesh.
[[nodiscard]] Result<std::string> mesh_of(const NodeInfo& node);

// Its id without "MESH." in front.
[[nodiscard]] std::string name_of(const NodeInfo& node, const std::string& mesh);

}  // namespace meshdns::discovery
