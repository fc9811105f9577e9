#include "discovery/control/node_name.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

namespace {

constexpr std::ptrdiff_t kTildesOfIstio = 3;

}  // namespace

Result<std::string> mesh_of(const NodeInfo& node) {
  const bool is_istios = std::ranges::count(node.id, '~') == kTildesOfIstio;
  const auto mesh = node.metadata.find(is_istios ? "MESH_ID" : "mesh");
  std::string name = is_istios ? "default" : node.id.substr(0, node.id.find('.'));
  if (mesh != node.metadata.end()) {
    name = mesh->second;
  }
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
