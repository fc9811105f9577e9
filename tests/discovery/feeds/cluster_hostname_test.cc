#include "discovery/feeds/cluster_hostname.h"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

TEST(ClusterHostname, IsBelowTheFirstZoneUnlessItStandsInOne) {
  const std::vector<std::string> zones{"mesh", "cluster.local"};
  struct Case {
    std::string cluster;
    std::string hostname;
  };
  const std::vector<Case> cases{
      {"web", "web.mesh"},
      {"Web", "web.mesh"},
      {"web.shop", "web.shop.mesh"},
      {"web_shop_svc_8080", "web_shop_svc_8080.mesh"},
      {"www.example.org", "www.example.org.mesh"},
      {"web.mesh", "web.mesh"},
      {"WEB.Mesh", "web.mesh"},
      {"web.shop.svc.cluster.local", "web.shop.svc.cluster.local"},
      {"mesh", "mesh.mesh"},
      {"webmesh", "webmesh.mesh"},
      {"192.0.2.1", "192.0.2.1.mesh"},
      {std::string(63, 'a'), std::string(63, 'a') + ".mesh"},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(cluster_hostname(row.cluster, zones), row.hostname) << row.cluster;
  }
}

TEST(ClusterHostname, IsNothingForWhatIsNoDnsName) {
  const std::vector<std::string> zones{"mesh"};
  std::string long_name;
  for (int i = 0; i < 125; ++i) {
    long_name += "a.";
  }
  for (const std::string& cluster :
       {std::string(), std::string("outbound|80||web.shop.svc.cluster.local"),
        std::string("httproute/shop/web/rule/0"), std::string("192.0.2.1:80"),
        std::string("[2001:db8::1]"), std::string("a b"), std::string("*.mesh"),
        std::string("a..b"), std::string(".a"), std::string("a."), std::string("a\\b"),
        std::string("m\xc3\xbcller"), std::string("a\0b", 3), std::string(64, 'a'),
        long_name + "a"}) {
    EXPECT_EQ(cluster_hostname(cluster, zones), std::nullopt) << cluster;
  }
}

}  // namespace
}  // namespace meshdns::discovery
