// Names of single endpoints, through both programs.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/resolver_fixture.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;

class InstanceNames : public ResolverFixture {
 protected:
  void start() {
    control_plane_.start();
    resolver_.start_ready(control_plane_, {"--instance-names", "true"});
  }
  [[nodiscard]] bool becomes(const std::string& name, const std::string& address) const {
    return wait_until([&] { return resolver_.address_of(name) == address; });
  }

  ControlPlaneProgram control_plane_;
};

TEST_F(InstanceNames, AnswerTheAddressOfTheirOneEndpoint) {
  control_plane_.put({.name = "backend-v1-1", .service = "backend", .address = "192.0.2.21"});
  control_plane_.put({.name = "backend-v1-2", .service = "backend", .address = "192.0.2.22"});
  control_plane_.put({.name = "six.east", .service = "backend", .address = "2001:db8::26"});
  control_plane_.put({.name = "shop-1", .service = "shop_svc", .address = "192.0.2.31"});
  start();
  EXPECT_EQ(resolver_.address_of("backend-v1-1.backend.mesh"), "192.0.2.21");
  EXPECT_EQ(resolver_.address_of("Backend-V1-2.backend.mesh"), "192.0.2.22");
  EXPECT_EQ(resolver_.address_of("six.east.backend.mesh", "AAAA"), "2001:db8::26");
  EXPECT_EQ(resolver_.address_of("shop-1.shop_svc.mesh"), "192.0.2.31");
  EXPECT_EQ(resolver_.address_of("shop-1.shop.svc.mesh"), "192.0.2.31");
  EXPECT_NE(resolver_.address_of("backend.mesh"), "192.0.2.21") << "the service has its VIP";

  // No data of the other family, nor between the labels of a name; no other name.
  for (const auto& [name, type] :
       std::vector<std::pair<std::string, std::string>>{{"backend-v1-1.backend.mesh", "AAAA"},
                                                        {"backend-v1-1.backend.mesh", "TXT"},
                                                        {"six.east.backend.mesh", "A"},
                                                        {"east.backend.mesh", "A"}}) {
    EXPECT_EQ(rcode_of(name, type), "NOERROR") << name << ' ' << type;
    EXPECT_EQ(resolver_.address_of(name, type), "") << name << ' ' << type;
  }
  EXPECT_EQ(rcode_of("backend-v1-3.backend.mesh"), "NXDOMAIN");
  EXPECT_EQ(rcode_of("backend-v1-1.shop.svc.mesh"), "NXDOMAIN");
}

TEST_F(InstanceNames, FollowTheirDataplane) {
  control_plane_.put({.name = "web-1", .service = "web", .address = "192.0.2.1"});
  control_plane_.put({.name = "web-2", .service = "web", .address = "192.0.2.2"});
  start();
  EXPECT_EQ(resolver_.address_of("web-1.web.mesh"), "192.0.2.1");

  control_plane_.put({.name = "web-1", .service = "web", .address = "192.0.2.9"});
  EXPECT_TRUE(becomes("web-1.web.mesh", "192.0.2.9"));

  control_plane_.remove_file("web-1.yaml");
  EXPECT_TRUE(wait_until([&] { return rcode_of("web-1.web.mesh") == "NXDOMAIN"; }));
  EXPECT_EQ(resolver_.address_of("web-2.web.mesh"), "192.0.2.2");

  control_plane_.remove_file("web-2.yaml");
  // Services and endpoints are resources of two types: either may be gone first.
  EXPECT_TRUE(wait_until([&] {
    return rcode_of("web-2.web.mesh") == "NXDOMAIN" && rcode_of("web.mesh") == "NXDOMAIN";
  }));

  control_plane_.put({.name = "web-2", .service = "web", .address = "192.0.2.2"});
  EXPECT_TRUE(becomes("web-2.web.mesh", "192.0.2.2")) << "a service that returns";
}

TEST_F(InstanceNames, OutliveAKilledControlPlaneAndFollowItAgain) {
  control_plane_.put({.name = "web-1", .service = "web", .address = "192.0.2.1"});
  start();
  control_plane_.kill();
  ASSERT_TRUE(wait_until([&] {
    return resolver_.get("/metrics").body.find("meshdns_xds_connected 0") != std::string::npos;
  }));
  EXPECT_EQ(resolver_.address_of("web-1.web.mesh"), "192.0.2.1");

  control_plane_.put({.name = "web-1", .service = "web", .address = "192.0.2.7"});
  control_plane_.put({.name = "web-2", .service = "web", .address = "192.0.2.2"});
  control_plane_.start();
  EXPECT_TRUE(becomes("web-2.web.mesh", "192.0.2.2"));
  EXPECT_EQ(resolver_.address_of("web-1.web.mesh"), "192.0.2.7");
}

TEST_F(InstanceNames, AreNotDeniedBeforeTheyAreKnown) {
  resolver_.start({"--instance-names", "true", "--control-plane", control_plane_.address()});
  EXPECT_EQ(rcode_of("web-1.web.mesh"), "SERVFAIL");
  EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL");
  control_plane_.put({.name = "web-1", .service = "web", .address = "192.0.2.1"});
  control_plane_.start();
  EXPECT_TRUE(wait_until([&] {
    const std::string rcode = rcode_of("web-1.web.mesh");
    EXPECT_NE(rcode, "NXDOMAIN");
    return rcode == "NOERROR";
  }));
}

TEST_F(InstanceNames, OfAnEmptyMeshAreKnownNotToBe) {
  start();
  EXPECT_EQ(rcode_of("web-1.web.mesh"), "NXDOMAIN");
}

TEST_F(InstanceNames, AreNotAnsweredUnlessAskedFor) {
  control_plane_.put({.name = "web-1", .service = "web", .address = "192.0.2.1"});
  control_plane_.start();
  resolver_.start_ready(control_plane_);
  EXPECT_EQ(rcode_of("web-1.web.mesh"), "NXDOMAIN");
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
}

TEST_F(InstanceNames, OfADataplaneThatIsCalledLikeAServiceAreTheServices) {
  control_plane_.put({.name = "api", .service = "web", .address = "192.0.2.1"});
  control_plane_.put({.name = "api-1", .service = "api.web", .address = "192.0.2.2"});
  start();
  EXPECT_NE(resolver_.address_of("api.web.mesh"), "192.0.2.1");
  EXPECT_EQ(resolver_.address_of("api-1.api.web.mesh"), "192.0.2.2");
  EXPECT_THAT(resolver_.log(), HasSubstr("instance api of default/web"));
  control_plane_.remove_file("api-1.yaml");
  EXPECT_TRUE(becomes("api.web.mesh", "192.0.2.1"));
}

}  // namespace
}  // namespace meshdns::support
