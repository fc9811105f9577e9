// A control plane that knows clusters and endpoints and nothing of us, in both variants of xDS. The
// control plane is the test's.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/resolver_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_ads.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/scripted_xds.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"
#include "tests/support/xds_messages.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;
using Resource = ScriptedXds::Resource;

constexpr int kStatic = 0;  // of Cluster.DiscoveryType
constexpr int kLogicalDns = 2;
constexpr int kOriginalDst = 4;
constexpr int kUnhealthy = 2;  // of HealthStatus

Resource eds(const std::string& name, const std::string& assignment = {}) {
  return {name, eds_cluster(name, assignment)};
}
Resource at(const std::string& name, const std::vector<WireEndpoint>& endpoints,
            const std::string& version = "1") {
  return {name, load_assignment(name, endpoints), version};
}

enum class Variant : std::uint8_t { kDelta, kSotw };

class XdsFixture : public ResolverFixture {
 protected:
  void start_server(Variant variant) {
    variant_ = variant;
    server_ = std::make_unique<ScriptedXds>(
        ScriptedAds::Options{.port = port_, .sotw = variant == Variant::kSotw});
  }
  [[nodiscard]] std::string address() const { return loopback(port_).to_string(); }
  [[nodiscard]] std::vector<std::string> flags(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"--xds-server", address(), "--xds-node-id", "test-id"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // A stream that begins: what is asked of clusters.
  [[nodiscard]] ScriptedXds::Request greeting() {
    EXPECT_TRUE(server_->await_stream()) << resolver_.log();
    return server_->next_ask(kClusterType).value_or(ScriptedXds::Request());
  }
  // All clusters there are now. Of a delta only what changed is told.
  void set_clusters(std::vector<Resource> clusters) {
    std::vector<Resource> told = clusters;
    std::vector<std::string> removed;
    if (variant_ == Variant::kDelta) {
      std::erase_if(told, [&](const Resource& each) { return has(clusters_, each, true); });
      for (const Resource& each : clusters_) {
        if (!has(clusters, each, false)) {
          removed.push_back(each.name);
        }
      }
    }
    EXPECT_THAT(server_->tell(kClusterType, told, removed).error, IsEmpty());
    clusters_ = std::move(clusters);
  }
  void tell_endpoints(const std::vector<Resource>& assignments) {
    EXPECT_THAT(server_->tell(kEndpointType, assignments).error, IsEmpty());
  }
  // All of them up, with these clusters known.
  void start_with(Variant variant, const std::vector<Resource>& clusters,
                  const std::vector<std::string>& more = {}) {
    start_server(variant);
    resolver_.start(flags(more));
    EXPECT_EQ(greeting().node_id, "test-id");
    set_clusters(clusters);
  }
  [[nodiscard]] bool wait_data(const std::string& name,
                               const std::vector<std::string>& addresses) const {
    return wait_until([&] { return data_of(name) == addresses; });
  }

  TemporaryDirectory folder_;
  std::uint16_t port_ = free_port();
  Variant variant_ = Variant::kDelta;
  std::unique_ptr<ScriptedXds> server_;
  std::vector<Resource> clusters_;

 private:
  static bool has(const std::vector<Resource>& all, const Resource& one, bool with_value) {
    return std::ranges::any_of(all, [&](const Resource& each) {
      return each.name == one.name && (!with_value || each.value == one.value);
    });
  }
};

class Xds : public XdsFixture, public testing::WithParamInterface<Variant> {};

INSTANTIATE_TEST_SUITE_P(Variants, Xds, testing::Values(Variant::kDelta, Variant::kSotw),
                         [](const auto& each) {
                           return each.param == Variant::kDelta ? "Delta" : "StateOfTheWorld";
                         });

TEST_P(Xds, ClustersAreServicesWithAddressesGivenHere) {
  const ScriptedUpstream upstream(always_address("192.0.2.1"));
  start_with(GetParam(),
             {eds("Web"),
              eds("web"),
              eds("db.shop"),
              eds("outbound|80||web.shop"),
              {"www", cluster_with(kLogicalDns, "www", {"www.example.org"})},
              {"pass", cluster_with(kOriginalDst, "pass", {})}},
             {"--upstream", upstream.address().to_string()});
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  const std::string web = resolver_.address_of("web.mesh");
  EXPECT_THAT(web, StartsWith("24"));
  EXPECT_EQ(resolver_.address_of("WEB.mesh"), web);
  EXPECT_THAT(resolver_.log(), HasSubstr("hostname taken name=web.mesh"));
  EXPECT_THAT(resolver_.address_of("db.shop.mesh"), StartsWith("24"));
  EXPECT_THAT(resolver_.address_of("www.mesh"), StartsWith("24"));
  EXPECT_THAT(data_of("web.mesh", "AAAA"), IsEmpty());
  EXPECT_EQ(rcode_of("pass.mesh"), "NXDOMAIN");
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  EXPECT_THAT(resolver_.log(), HasSubstr("left out count=2 first=\"'outbound|80||web.shop' is no"));
  EXPECT_EQ(resolver_.get("/readyz").status, 200);

  set_clusters({eds("Web"), eds("more")});
  EXPECT_THAT(resolver_.wait_for_address("more.mesh"), StartsWith("24"));
  ASSERT_TRUE(wait_for_rcode("db.shop.mesh", "NXDOMAIN"));
  EXPECT_EQ(resolver_.address_of("web.mesh"), web);
  for (const UpstreamQuery& query : upstream.queries()) {
    EXPECT_THAT(query.name, Not(HasSubstr("mesh")));
  }
}

TEST_P(Xds, EndpointsAreAnsweredWhereTheSettingSaysSo) {
  start_with(GetParam(),
             {eds("web", "shop/web"),
              eds("empty"),
              {"fixed", cluster_with(kStatic, "fixed", {"192.0.2.9"})},
              {"www", cluster_with(kLogicalDns, "www", {"www.example.org"})}},
             {"--answers", "endpoints", "--instance-names", "true"});
  const auto asked = server_->next_ask(kEndpointType);
  ASSERT_TRUE(asked.has_value());
  EXPECT_THAT(asked->names, ElementsAre("empty", "shop/web"));
  ASSERT_TRUE(wait_data("fixed.mesh", {"192.0.2.9"})) << resolver_.log();
  EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL") << "its endpoints are not known yet";
  EXPECT_EQ(rcode_of("nope.web.mesh"), "SERVFAIL");
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN") << "the clusters are known";

  tell_endpoints({at("shop/web", {{.address = "192.0.2.1", .hostname = "web-1"},
                                  {.address = "192.0.2.2", .health = kUnhealthy},
                                  {.address = "2001:db8::1"},
                                  {.address = "192.0.2.3", .priority = 1}})});
  ASSERT_TRUE(wait_data("web.mesh", {"192.0.2.1"}));
  EXPECT_THAT(data_of("web.mesh", "AAAA"), ElementsAre("2001:db8::1"));
  EXPECT_THAT(data_of("web-1.web.mesh"), ElementsAre("192.0.2.1"));
  tell_endpoints({at("empty", {})});
  ASSERT_TRUE(resolver_.wait_ready());
  ASSERT_TRUE(wait_for_rcode("empty.mesh", "NOERROR"));
  EXPECT_THAT(data_of("empty.mesh"), IsEmpty());
  EXPECT_EQ(rcode_of("nope.web.mesh"), "NXDOMAIN");
  EXPECT_EQ(rcode_of("www.mesh"), "SERVFAIL") << "nobody looks www.example.org up here";

  tell_endpoints({at("shop/web", {{"192.0.2.4"}, {"192.0.2.5"}}, "2")});
  ASSERT_TRUE(wait_until([&] { return data_of("web.mesh").size() == 2; }));
  EXPECT_THAT(data_of("web.mesh"), UnorderedElementsAre("192.0.2.4", "192.0.2.5"));

  // One that goes and comes back is asked for again.
  set_clusters({eds("empty")});
  ASSERT_TRUE(wait_for_rcode("web.mesh", "NXDOMAIN"));
  set_clusters({eds("empty"), eds("web", "shop/web")});
  ASSERT_TRUE(wait_for_rcode("web.mesh", "SERVFAIL"));
  const auto less = server_->next_ask(kEndpointType);
  const auto more = server_->next_ask(kEndpointType);
  ASSERT_TRUE(less && more);
  EXPECT_THAT(more->names, testing::Contains("shop/web"));
  tell_endpoints({at("shop/web", {{"192.0.2.6"}})});
  EXPECT_TRUE(wait_data("web.mesh", {"192.0.2.6"}));
}

TEST_P(Xds, NothingIsDeniedBeforeTheFirstTable) {
  start_server(GetParam());
  resolver_.start(flags());
  const ScriptedXds::Request first = greeting();
  EXPECT_THAT(first.names, IsEmpty()) << "all of them";
  EXPECT_EQ(first.node_cluster, "meshdns");
  EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL");
  EXPECT_EQ(ask(resolver_.dns(), {.name = "web.mesh"})->extended_error_code(), kNotReady);
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("feed clusters: nothing yet"));
  set_clusters({});
  ASSERT_TRUE(resolver_.wait_ready());
  EXPECT_EQ(rcode_of("web.mesh"), "NXDOMAIN") << "an empty table is one";
}

TEST_P(Xds, WhatIsWrongIsNamedAndChangesNothing) {
  start_with(GetParam(), {eds("web"), eds("db")}, {"--answers", "endpoints"});
  tell_endpoints({at("web", {{"192.0.2.1"}}), at("db", {{"192.0.2.2"}})});
  ASSERT_TRUE(wait_data("web.mesh", {"192.0.2.1"}));
  const std::string clusters =
      server_
          ->tell(kClusterType, {{"web", cluster_with(kStatic, "web", {"nowhere"}), "2"},
                                {"new", cluster_with(kStatic, "new", {"192.0.2.3"})}})
          .error;
  EXPECT_THAT(clusters, HasSubstr("1 of the resources rejected"));
  EXPECT_THAT(clusters, HasSubstr("web: load_assignment: endpoint address: 'nowhere' is no IP"));
  EXPECT_TRUE(wait_data("new.mesh", {"192.0.2.3"}));
  const std::string endpoints =
      server_->tell(kEndpointType, {at("web", {{"0.0.0.0"}}, "2"), at("db", {{"192.0.2.4"}}, "2")})
          .error;
  EXPECT_THAT(endpoints, HasSubstr("web: endpoint address: '0.0.0.0' is no IP address"));
  EXPECT_TRUE(wait_data("db.mesh", {"192.0.2.4"}));
  EXPECT_THAT(data_of("web.mesh"), ElementsAre("192.0.2.1"));
  // Octets that are no message, the same name twice, a name of nothing.
  EXPECT_THAT(server_->tell(kClusterType, {{"x", "\xff\xff"}}).error, Not(IsEmpty()));
  EXPECT_THAT(server_->tell(kClusterType, {eds("twice"), eds("twice")}).error,
              HasSubstr("stands more than once"));
  EXPECT_THAT(server_->tell(kClusterType, {eds("")}).error, HasSubstr("name: is empty"));
  EXPECT_THAT(data_of("web.mesh"), ElementsAre("192.0.2.1"));
  EXPECT_EQ(resolver_.get("/readyz").status, 200);
}

TEST_P(Xds, ARestartWithoutTheServerAnswersTheSame) {
  start_with(GetParam(), {eds("web"), {"fixed", cluster_with(kStatic, "fixed", {"192.0.2.9"})}},
             {"--answers", "endpoints"});
  tell_endpoints({at("web", {{"192.0.2.1"}})});
  ASSERT_TRUE(wait_data("web.mesh", {"192.0.2.1"}));
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  resolver_.kill();
  server_.reset();
  resolver_.start(flags({"--answers", "endpoints"}));
  EXPECT_EQ(resolver_.wait_for_undenied("web.mesh"), "192.0.2.1") << resolver_.log();
  EXPECT_THAT(data_of("fixed.mesh"), ElementsAre("192.0.2.9"));
  ASSERT_TRUE(wait_for_rcode("nope.mesh", "NXDOMAIN"));
  EXPECT_EQ(resolver_.get("/readyz").status, 200);
}

TEST_P(Xds, VirtualAddressesStayOverAKillWithTheServerAway) {
  start_with(GetParam(), {eds("web"), eds("db")});
  ASSERT_TRUE(resolver_.wait_ready());
  const std::string web = resolver_.address_of("web.mesh");
  const std::string db = resolver_.address_of("db.mesh");
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  server_.reset();
  EXPECT_EQ(resolver_.address_of("web.mesh"), web) << "a lost server changes nothing";
  resolver_.kill();
  resolver_.start(flags());
  EXPECT_EQ(resolver_.wait_for_undenied("web.mesh"), web) << resolver_.log();
  EXPECT_EQ(resolver_.address_of("db.mesh"), db);
  start_server(GetParam());
  EXPECT_EQ(greeting().node_id, "test-id");
  // Of a delta only what changed meanwhile is told.
  set_clusters({eds("web"), eds("new")});
  ASSERT_TRUE(wait_for_rcode("db.mesh", "NXDOMAIN"));
  EXPECT_THAT(resolver_.wait_for_address("new.mesh"), StartsWith("24"));
  EXPECT_EQ(resolver_.address_of("web.mesh"), web);
}

class XdsDelta : public XdsFixture {};

TEST_F(XdsDelta, TheSecondServerServesWhileTheFirstIsDownAndTheFirstWhenItIsBack) {
  const std::uint16_t first_port = port_;
  port_ = free_port();
  start_server(Variant::kDelta);
  resolver_.start({"--xds-server", loopback(first_port).to_string(), "--xds-server", address()});
  EXPECT_THAT(greeting().node_id, Not(IsEmpty())) << "the host's name";
  set_clusters({eds("web")});
  const std::string web = resolver_.wait_for_address("web.mesh");
  EXPECT_THAT(web, StartsWith("24")) << resolver_.log();
  // The first comes up; it is gone back to without a loss.
  const std::unique_ptr<ScriptedXds> second = std::move(server_);
  port_ = first_port;
  start_server(Variant::kDelta);
  clusters_ = {};
  ASSERT_TRUE(server_->await_stream(std::chrono::seconds(90))) << resolver_.log();
  EXPECT_TRUE(server_->next_ask(kClusterType).has_value());
  EXPECT_EQ(resolver_.address_of("web.mesh"), web);
  set_clusters({eds("web"), eds("first")});
  const std::string first = resolver_.wait_for_address("first.mesh");
  EXPECT_THAT(first, StartsWith("24"));
  EXPECT_EQ(resolver_.address_of("web.mesh"), web);
  // And it goes again.
  server_.reset();
  ASSERT_TRUE(second->await_stream()) << resolver_.log();
  EXPECT_TRUE(second->next_ask(kClusterType).has_value());
  EXPECT_EQ(resolver_.address_of("first.mesh"), first) << "the second has said nothing yet";
}

TEST_F(XdsDelta, ARestartIsSentNothingThatItHas) {
  start_with(Variant::kDelta, {eds("web"), eds("db")}, {"--answers", "endpoints"});
  tell_endpoints({at("web", {{"192.0.2.1"}}, "7"), at("db", {{"192.0.2.2"}}, "8")});
  ASSERT_TRUE(wait_data("db.mesh", {"192.0.2.2"}));
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  resolver_.kill();
  resolver_.start(flags({"--answers", "endpoints"}));
  using Versions = std::map<std::string, std::string>;
  EXPECT_EQ(greeting().versions, (Versions{{"db", "1"}, {"web", "1"}}));
  const auto endpoints = server_->next_ask(kEndpointType);
  ASSERT_TRUE(endpoints.has_value());
  EXPECT_THAT(endpoints->names, ElementsAre("db", "web"));
  EXPECT_EQ(endpoints->versions, (Versions{{"db", "8"}, {"web", "7"}}));
  set_clusters({eds("web")});
  ASSERT_TRUE(wait_for_rcode("db.mesh", "NXDOMAIN"));
  EXPECT_THAT(data_of("web.mesh"), ElementsAre("192.0.2.1"));
  EXPECT_EQ(resolver_.get("/readyz").status, 200);
}

TEST_F(XdsDelta, AnAssignmentThatDoesNotComeHoldsUpItsOwnNameAlone) {
  start_with(Variant::kDelta, {eds("web"), eds("missing")}, {"--answers", "endpoints"});
  tell_endpoints({at("web", {{"192.0.2.1"}})});
  ASSERT_TRUE(wait_data("web.mesh", {"192.0.2.1"}));
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("feed endpoints: nothing yet"));
  // It is waited for 15 s.
  EXPECT_TRUE(
      wait_until([&] { return resolver_.get("/readyz").status == 200; }, std::chrono::seconds(60)))
      << resolver_.get("/readyz").body;
  EXPECT_EQ(rcode_of("missing.mesh"), "SERVFAIL");
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("1 services are withheld"));
}

TEST_F(XdsDelta, ALostStreamIsTakenUpWithWhatIsHeld) {
  start_with(Variant::kDelta, {eds("web")});
  const std::string web = resolver_.wait_for_address("web.mesh");
  server_->ads().end(kUnavailable, "going down");
  EXPECT_EQ(greeting().versions, (std::map<std::string, std::string>{{"web", "1"}}));
  EXPECT_EQ(resolver_.address_of("web.mesh"), web);
  set_clusters({eds("web"), eds("db")});
  EXPECT_THAT(resolver_.wait_for_address("db.mesh"), StartsWith("24"));
}

TEST_F(XdsDelta, TlsIsSpokenWhereItIsSaidAndAStrangerIsNotTalkedTo) {
  for (const char* const who : {"cp", "other"}) {
    const CommandResult made = run_command(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=cp", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder_.file(std::string(who) + ".key"), "-out",
         folder_.file(std::string(who) + ".crt")});
    ASSERT_EQ(made.exit_code, 0) << made.error;
  }
  server_ = std::make_unique<ScriptedXds>(ScriptedAds::Options{
      .port = port_, .certificate = folder_.read("cp.crt"), .key = folder_.read("cp.key")});
  resolver_.start(flags({"--xds-tls", "true", "--xds-ca-cert-file", folder_.file("other.crt")}));
  ASSERT_TRUE(
      wait_until([&] { return resolver_.log().find("control plane lost") != std::string::npos; }));
  EXPECT_FALSE(server_->await_stream(std::chrono::milliseconds(0)));
  resolver_.kill();
  resolver_.start(flags({"--xds-tls", "true", "--xds-ca-cert-file", folder_.file("cp.crt")}));
  EXPECT_EQ(greeting().node_id, "test-id");
  set_clusters({eds("web")});
  EXPECT_THAT(resolver_.wait_for_address("web.mesh"), StartsWith("24"));
}

TEST_F(XdsDelta, SettingsThatContradictEachOtherAreNamed) {
  struct Case {
    std::vector<std::string> flags;
    std::string reason;
  };
  const std::vector<Case> cases{
      {{"--control-plane", "127.0.0.1:5678"}, "there is a control plane already"},
      {{"--cp-address", "https://localhost:5678"}, "there is a control plane already"},
      {{"--services-file", "/etc/services.yaml"}, "services come from xds.servers already"},
      {{"--xds-ca-cert-file", "/cp.crt"}, "nothing is checked without TLS"},
      {{"--xds-tls", "true", "--xds-ca-cert-file", folder_.file("none")}, "--xds-ca-cert-file"},
      {{"--xds-server", "nowhere"}, "'nowhere' is no control plane"},
  };
  for (const Case& row : cases) {
    std::vector<std::string> argv{program_path("meshdns"), "check"};
    const auto all = flags(row.flags);
    argv.insert(argv.end(), all.begin(), all.end());
    const CommandResult result = run_command(argv);
    EXPECT_EQ(result.exit_code, 1) << row.reason;
    EXPECT_THAT(result.error + result.output, HasSubstr(row.reason));
  }
  const CommandResult good =
      run_command({program_path("meshdns"), "check", "--xds-server", "cp.example.org:18000"});
  EXPECT_EQ(good.exit_code, 0) << good.error;
  EXPECT_THAT(good.output, HasSubstr("cp.example.org:18000"));
}

}  // namespace
}  // namespace meshdns::support
