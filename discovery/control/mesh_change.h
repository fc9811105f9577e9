// What one commit does to the resources of a mesh.
#pragma once

#include <vector>

#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

struct MeshChange {
  std::vector<ResourceUpdate> updates;
  std::vector<ResourceRemoval> removals;  // of no name that is among the updates
};

}  // namespace meshdns::discovery
