// What the mesh changes, the answers follow; what it loses, they outlive.
#include <cstddef>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/python_tools.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;

// A control plane and a resolver that follows it.
class MeshChanges : public ResolverFixture {
 protected:
  void start() {
    control_plane_.start();
    resolver_.start_ready(control_plane_);
  }

  ControlPlaneProgram control_plane_;
};

TEST_F(MeshChanges, AnAddedDataplaneIsAnsweredAndARemovedOneIsNot) {
  control_plane_.put({.name = "web-1", .service = "web"});
  start();
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
  EXPECT_EQ(rcode_of("cache.mesh"), "NXDOMAIN");

  control_plane_.put({.name = "cache-1", .service = "cache"});
  EXPECT_TRUE(wait_for_rcode("cache.mesh", "NOERROR"));

  control_plane_.remove_file("cache-1.yaml");
  EXPECT_TRUE(wait_for_rcode("cache.mesh", "NXDOMAIN"));
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
}

TEST_F(MeshChanges, AnEditedDataplaneMovesItsServiceToAnotherName) {
  control_plane_.put({.name = "web-1", .service = "web"});
  start();
  control_plane_.put({.name = "web-1", .service = "shop"});
  EXPECT_TRUE(wait_for_rcode("shop.mesh", "NOERROR"));
  EXPECT_TRUE(wait_for_rcode("web.mesh", "NXDOMAIN"));
}

TEST_F(MeshChanges, AServiceThatReturnsGetsItsAddressBack) {
  control_plane_.put({.name = "web-1", .service = "web"});
  control_plane_.put({.name = "cache-1", .service = "cache"});
  start();
  const std::string before = resolver_.address_of("cache.mesh");
  control_plane_.remove_file("cache-1.yaml");
  ASSERT_TRUE(wait_for_rcode("cache.mesh", "NXDOMAIN"));
  control_plane_.put({.name = "cache-1", .service = "cache"});
  EXPECT_EQ(resolver_.wait_for_address("cache.mesh"), before);
}

TEST_F(MeshChanges, AnswersOutliveAKilledControlPlaneAndFollowItAgain) {
  control_plane_.put({.name = "web-1", .service = "web"});
  start();
  const std::string before = resolver_.address_of("web.mesh");
  control_plane_.kill();
  ASSERT_TRUE(wait_until([&] {
    return resolver_.get("/metrics").body.find("meshdns_xds_connected 0") != std::string::npos;
  }));
  EXPECT_EQ(resolver_.address_of("web.mesh"), before);
  EXPECT_EQ(resolver_.get("/readyz").status, 200);

  control_plane_.put({.name = "cache-1", .service = "cache"});
  control_plane_.start();
  EXPECT_TRUE(wait_for_rcode("cache.mesh", "NOERROR"));
  EXPECT_EQ(resolver_.address_of("web.mesh"), before);
}

TEST_F(MeshChanges, AHalfWrittenFileKeepsWhatItHeld) {
  control_plane_.put({.name = "web-1", .service = "web"});
  control_plane_.put({.name = "cache-1", .service = "cache"});
  start();
  const std::string whole = to_yaml({.name = "web-1", .service = "web"});
  // In place, as `cat > file` does: half of it, and nothing more for now.
  control_plane_.dataplanes().write("web-1.yaml", whole.substr(0, whole.find("kuma.io/service")));
  // Another change is a sign that the half has been read.
  control_plane_.put({.name = "later-1", .service = "later"});
  ASSERT_TRUE(wait_for_rcode("later.mesh", "NOERROR"));
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
  EXPECT_THAT(control_plane_.log(), HasSubstr("web-1.yaml"));

  control_plane_.dataplanes().write("web-1.yaml", whole);
  control_plane_.put({.name = "last-1", .service = "last"});
  ASSERT_TRUE(wait_for_rcode("last.mesh", "NOERROR"));
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
}

TEST_F(MeshChanges, AnInvalidEntityIsReportedAndTheRestIsServed) {
  control_plane_.put({.name = "web-1", .service = "web"});
  control_plane_.put({.name = "bad-1", .service = "bad", .address = "not an address at all"});
  start();
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
  EXPECT_EQ(rcode_of("bad.mesh"), "NXDOMAIN");
  EXPECT_THAT(control_plane_.log(), HasSubstr("bad-1.yaml"));
}

TEST_F(MeshChanges, TenThousandServicesAreAnsweredEachWithAnAddressOfItsOwn) {
  constexpr int kServices = 10'000;
  std::string documents;
  for (int i = 0; i < kServices; ++i) {
    documents += to_yaml({.name = fmt::format("dp-{}", i), .service = fmt::format("svc-{}", i)});
    documents += "---\n";
  }
  control_plane_.put_file("all.yaml", documents);
  control_plane_.start();
  resolver_.start({"--control-plane", control_plane_.address()});
  // So many come in several responses: what is in a later one is not denied after the first.
  ASSERT_TRUE(wait_until([&] {
    for (const char* const name : {"svc-0.mesh", "svc-5000.mesh", "svc-9999.mesh"}) {
      EXPECT_NE(rcode_of(name), "NXDOMAIN") << name;
    }
    return resolver_.get("/readyz").status == 200;
  }));
  std::set<std::string> addresses;
  for (int i = 0; i < kServices; ++i) {
    addresses.insert(resolver_.address_of(fmt::format("svc-{}.mesh", i)));
  }
  EXPECT_EQ(addresses.size(), static_cast<std::size_t>(kServices));
  EXPECT_FALSE(addresses.contains(""));

  control_plane_.put({.name = "one-more", .service = "one-more"});
  EXPECT_TRUE(wait_for_rcode("one-more.mesh", "NOERROR"));
}

TEST_F(MeshChanges, APartlyBadResponseIsAppliedAndItsBadResourcesAreNamed) {
  const std::string target = loopback(free_port()).to_string();
  Process server(e2e::python_script("ads_server.py", {target}));
  resolver_.start({"--control-plane", target});
  ASSERT_FALSE(resolver_.wait_for_address("good.mesh").empty())
      << resolver_.log() << server.standard_error();
  EXPECT_EQ(rcode_of("bad-address.mesh"), "NXDOMAIN");

  ASSERT_TRUE(wait_until(
      [&] { return server.standard_output().find(R"("nonce": "first")") != std::string::npos; }));
  std::istringstream lines(server.standard_output());
  std::string nack;
  for (std::string line; std::getline(lines, line);) {
    nack = line.find(R"("nonce": "first")") != std::string::npos ? line : nack;
  }
  EXPECT_THAT(nack, HasSubstr("default/bad-address"));
  EXPECT_THAT(nack, HasSubstr("default/bad-bytes"));
  EXPECT_THAT(nack, Not(HasSubstr("default/good")));
  EXPECT_THAT(nack, Not(HasSubstr("\"error\": \"\"")));
}

}  // namespace
}  // namespace meshdns::support
