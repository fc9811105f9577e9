#include "discovery/control/node_name.h"

#include <string>

#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

Result<std::string> mesh_of(const NodeInfo& node) {
  const auto mesh = node.metadata.find("mesh");
  std::string name =
      mesh != node.metadata.end() ? mesh->second : node.id.substr(0, node.id.find('.'));
  if (!is_dns_name(name)) {
    return fail(ErrorCode::kInvalidArgument,
                "the node names no mesh: give it metadata.mesh or an id MESH.NAME");
  }
  return name;
}

std::string name_of(const NodeInfo& node, const std::string& mesh) {
  return node.id.starts_with(mesh + ".") ? node.id.substr(mesh.size() + 1) : node.id;
}

}  // namespace meshdns::discovery
