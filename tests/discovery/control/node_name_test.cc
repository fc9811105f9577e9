#include "discovery/control/node_name.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "discovery/xds/node.h"

namespace meshdns::discovery {
namespace {

std::string mesh_of(const std::string& id, const std::map<std::string, std::string>& metadata) {
  NodeInfo node;
  node.id = id;
  node.metadata = metadata;
  return discovery::mesh_of(node).value_or("none");
}

TEST(NodeName, SaysItsMesh) {
  EXPECT_EQ(mesh_of("shop.web-1", {}), "shop");
  EXPECT_EQ(mesh_of("shop.web-1", {{"mesh", "other"}}), "other");
  EXPECT_EQ(mesh_of("bad mesh.web-1", {}), "none");
  EXPECT_EQ(mesh_of("", {}), "none");
}

TEST(NodeName, OfIstiosSaysItsMeshAsThoseDo) {
  const std::string id = "sidecar~192.0.2.1~vm-1.shop~shop.svc.cluster.local";
  EXPECT_EQ(mesh_of(id, {}), "default");
  EXPECT_EQ(mesh_of(id, {{"MESH_ID", "shop"}}), "shop");
  EXPECT_EQ(mesh_of(id, {{"MESH_ID", "no mesh"}}), "none");
}

}  // namespace
}  // namespace meshdns::discovery
