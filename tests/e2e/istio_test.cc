// An Istio control plane as a resolver sees it: TLS, a service account's token, and the name table
// of NDS. The control plane is the test's; what it says is what istiod says.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/istio_name_table.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_ads.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kNameTableType = "type.googleapis.com/istio.networking.nds.v1.NameTable";

// What was asked about the names of these tests.
std::vector<std::string> asked(const ScriptedUpstream& upstream) {
  std::vector<std::string> questions;
  for (const UpstreamQuery& query : upstream.queries()) {
    if (query.name.ends_with("example.") || query.name.ends_with("local.")) {
      questions.push_back(query.name + " " + query.type);
    }
  }
  return questions;
}

class Istio : public ResolverFixture {
 protected:
  void start_control_plane(bool tls = false) {
    ScriptedAds::Options options{.port = port_, .certificate = {}, .key = {}};
    if (tls) {
      options.certificate = folder_.read("istiod.crt");
      options.key = folder_.read("istiod.key");
    }
    control_plane_ = std::make_unique<ScriptedAds>(options);
  }
  void make_certificate() {
    const CommandResult made = run_command(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=istiod", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder_.file("istiod.key"), "-out", folder_.file("istiod.crt")});
    ASSERT_EQ(made.exit_code, 0) << made.error;
  }
  [[nodiscard]] std::vector<std::string> flags(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"--istio-address",   fmt::format("http://127.0.0.1:{}", port_),
                                 "--istio-workload",  "vm-1",
                                 "--istio-namespace", "shop"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // The first request of a stream that begins.
  [[nodiscard]] DeltaDiscoveryRequest greeting() {
    EXPECT_TRUE(control_plane_->await_stream()) << resolver_.log();
    return control_plane_->next_request().value_or(DeltaDiscoveryRequest());
  }
  // Sends the whole table, as istiod does, and returns the answer.
  DeltaDiscoveryRequest tell_octets(const std::string& table) {
    DeltaDiscoveryResponse response;
    response.set_type_url(kNameTableType);
    response.set_nonce(std::to_string(++nonce_));
    auto& resource = *response.add_resources()->mutable_resource();
    resource.set_type_url(kNameTableType);
    resource.set_value(table);
    control_plane_->send(response.SerializeAsString());
    const auto answer = control_plane_->next_request().value_or(DeltaDiscoveryRequest());
    EXPECT_EQ(answer.response_nonce(), response.nonce()) << "every response is answered";
    return answer;
  }
  void tell(const std::vector<IstioHost>& hosts) {
    EXPECT_FALSE(tell_octets(istio_name_table(hosts)).has_error_detail());
  }
  void start_with(const std::vector<IstioHost>& hosts, std::vector<std::string> more = {}) {
    start_control_plane();
    resolver_.start(flags(std::move(more)));
    EXPECT_EQ(greeting().type_url(), kNameTableType);
    tell(hosts);
    ASSERT_TRUE(resolver_.wait_ready()) << resolver_.get("/readyz").body << resolver_.log();
  }

  TemporaryDirectory folder_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<ScriptedAds> control_plane_;
  int nonce_ = 0;
};

TEST_F(Istio, IsToldWhatASidecarTellsIt) {
  make_certificate();
  folder_.write("istio-token", "a.b.c\n");
  start_control_plane(/*tls=*/true);
  resolver_.start({"--istio-address", fmt::format("https://localhost:{}", port_),
                   "--istio-workload", "vm-1", "--istio-namespace", "shop", "--istio-instance-ip",
                   "192.0.2.7", "--istio-token-file", folder_.file("istio-token"),
                   "--istio-ca-cert-file", folder_.file("istiod.crt"), "--istio-metadata",
                   "NETWORK=vms"});
  const DeltaDiscoveryRequest first = greeting();
  EXPECT_EQ(control_plane_->authorization(), "Bearer a.b.c");
  EXPECT_EQ(first.type_url(), kNameTableType);
  EXPECT_THAT(first.resource_names_subscribe(), IsEmpty());
  EXPECT_THAT(first.initial_resource_versions(), IsEmpty());
  EXPECT_EQ(first.node().id(), "sidecar~192.0.2.7~vm-1.shop~shop.svc.cluster.local");
  const auto& metadata = first.node().metadata().fields();
  EXPECT_EQ(metadata.at("DNS_CAPTURE").string_value(), "true");
  EXPECT_EQ(metadata.at("NAMESPACE").string_value(), "shop");
  EXPECT_EQ(metadata.at("NETWORK").string_value(), "vms");
  tell({kubernetes_service("web", "shop", {"10.0.0.1"})});
  EXPECT_EQ(resolver_.wait_for_address("web.shop"), "10.0.0.1");

  folder_.write("istio-token", "d.e.f\n");
  control_plane_->end(kUnavailable, "another instance");
  EXPECT_THAT(greeting().initial_resource_versions(), IsEmpty());
  EXPECT_EQ(control_plane_->authorization(), "Bearer d.e.f") << "the renewed one";
  EXPECT_THAT(data_of("web.shop"), ElementsAre("10.0.0.1"));
  EXPECT_THAT(resolver_.log(), Not(HasSubstr("d.e.f")));
}

TEST_F(Istio, NamesAreAnsweredAndWhatIstioDoesNotKnowGoesUpstream) {
  const ScriptedUpstream upstream(always_address("192.0.2.1"));
  start_with({kubernetes_service("web", "shop", {"10.0.0.1", "2001:db8::1"}),
              kubernetes_service("db", "back", {"10.0.0.2"}),
              // Headless: its workloads' addresses, and a name for each.
              kubernetes_service("kafka", "shop", {"10.1.0.1", "10.1.0.2"}),
              {.host = "kafka-0.kafka.shop.svc.cluster.local",
               .ips = {"10.1.0.1"},
               .shortname = "kafka-0.kafka",
               .name_space = "shop"},
              {.host = "api.corp.example", .ips = {"240.240.0.1"}},
              {.host = "*.apps.corp.example", .ips = {"240.240.0.2"}}},
             {"--upstream", upstream.address().to_string()});
  for (const char* const name :
       {"web.shop.svc.cluster.local", "web.shop.svc", "web.shop", "web", "WEB.Shop.svc"}) {
    EXPECT_THAT(data_of(name), ElementsAre("10.0.0.1")) << name;
    EXPECT_THAT(data_of(name, "AAAA"), ElementsAre("2001:db8::1")) << name;
  }
  EXPECT_THAT(data_of("db.back.svc"), ElementsAre("10.0.0.2"));
  EXPECT_THAT(data_of("kafka.shop"), testing::UnorderedElementsAre("10.1.0.1", "10.1.0.2"));
  EXPECT_THAT(data_of("kafka-0.kafka.shop.svc.cluster.local"), ElementsAre("10.1.0.1"));
  EXPECT_THAT(data_of("api.corp.example"), ElementsAre("240.240.0.1"));
  EXPECT_THAT(data_of("a.apps.corp.example"), ElementsAre("240.240.0.2"));
  EXPECT_THAT(data_of("b.a.apps.corp.example"), ElementsAre("240.240.0.2"));
  // A host that is known is never denied for a family that it lacks.
  EXPECT_EQ(rcode_of("api.corp.example", "AAAA"), "NOERROR");
  EXPECT_EQ(rcode_of("a.apps.corp.example", "HTTPS"), "NOERROR");
  EXPECT_THAT(asked(upstream), IsEmpty());
  // All else is for others: istiod tells of some names, not of zones.
  EXPECT_THAT(data_of("apps.corp.example"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(data_of("www.corp.example"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(data_of("other.shop.svc.cluster.local"), ElementsAre("192.0.2.1"));
  EXPECT_EQ(rcode_of("web.shop.svc.cluster.local", "SRV"), "NOERROR");
  EXPECT_THAT(asked(upstream),
              ElementsAre("apps.corp.example. A", "www.corp.example. A",
                          "other.shop.svc.cluster.local. A", "web.shop.svc.cluster.local. SRV"));
}

TEST_F(Istio, BeforeTheFirstTableServicesAreNotDeniedAndOthersAreAnswered) {
  const ScriptedUpstream upstream(always_address("192.0.2.1"));
  start_control_plane();
  resolver_.start(flags({"--upstream", upstream.address().to_string()}));
  static_cast<void>(greeting());
  EXPECT_EQ(rcode_of("web.shop.svc.cluster.local"), "SERVFAIL");
  EXPECT_EQ(ask(resolver_.dns(), {.name = "web.shop.svc.cluster.local"})->extended_error_code(),
            kNotReady);
  EXPECT_THAT(data_of("www.corp.example"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(asked(upstream), ElementsAre("www.corp.example. A"));
  EXPECT_EQ(resolver_.get("/readyz").status, 503);
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("feed istio: nothing yet"));
  tell({});
  ASSERT_TRUE(resolver_.wait_ready());
  EXPECT_THAT(data_of("web.shop.svc.cluster.local"), ElementsAre("192.0.2.1"))
      << "an empty table is one";
}

TEST_F(Istio, AnUpdateCostsWhatChanged) {
  std::vector<IstioHost> hosts;
  for (int i = 0; i < 2000; ++i) {
    hosts.push_back({.host = fmt::format("svc-{}.corp.example", i),
                     .ips = {fmt::format("240.240.{}.{}", i / 256, i % 256)}});
  }
  start_with(hosts);
  EXPECT_EQ(metric("meshdns_table_records"), 2000);
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  const double pages = metric("meshdns_snapshot_pages_total");
  const auto log_octets = [&] {
    return std::filesystem::file_size(resolver_.state_folder() + "/istio.feed");
  };
  const auto octets = log_octets();
  hosts[1000].ips = {"240.240.99.1"};
  tell(hosts);
  ASSERT_TRUE(
      wait_until([&] { return data_of("svc-1000.corp.example").front() == "240.240.99.1"; }));
  // A page of entries and one of the directory for the name, and for the new address; whose page,
  // by the table's random key, may just be full and become two.
  EXPECT_LE(metric("meshdns_snapshot_pages_total") - pages, 5);
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  EXPECT_LT(log_octets() - octets, 200U) << "what is written to disk: a record";
}

TEST_F(Istio, WhatCannotBeReadIsRefusedAndTheLastTableStays) {
  start_with({{.host = "api.corp.example", .ips = {"240.240.0.1"}}});
  const std::string not_utf8 = "\x0a\x04\x0a\x02\xff\xfe";  // a host of two octets
  for (const std::string& bad : {std::string("\xff\xff\xff"), std::string(100, '\n'), not_utf8}) {
    EXPECT_THAT(tell_octets(bad).error_detail().message(), HasSubstr("no NameTable"));
    EXPECT_THAT(data_of("api.corp.example"), ElementsAre("240.240.0.1"));
  }
  tell({{.host = "not a name", .ips = {"240.240.0.1"}},
        {.host = "other.corp.example", .ips = {"what", "240.240.0.3"}}});
  EXPECT_EQ(resolver_.wait_for_address("other.corp.example"), "240.240.0.3");
  EXPECT_THAT(resolver_.log(), HasSubstr("parts of the name table are left out count=2"));
  EXPECT_THAT(resolver_.log(), Not(HasSubstr("libprotobuf"))) << "a peer could fill the disk";
}

TEST_F(Istio, ARestartWithoutTheControlPlaneAnswersFromDisk) {
  const std::vector<IstioHost> hosts{kubernetes_service("web", "shop", {"10.0.0.1"}),
                                     {.host = "*.corp.example", .ips = {"240.240.0.2"}}};
  start_with(hosts);
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  resolver_.kill();
  control_plane_.reset();
  resolver_.start(flags());
  EXPECT_EQ(resolver_.wait_for_undenied("web.shop.svc.cluster.local"), "10.0.0.1");
  EXPECT_THAT(data_of("a.corp.example"), ElementsAre("240.240.0.2"));
  // The logs have been read: their records count as those of the image do.
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_table_records") == 5; }));
  EXPECT_THAT(data_of("web"), ElementsAre("10.0.0.1"));
  EXPECT_THAT(data_of("b.a.corp.example"), ElementsAre("240.240.0.2"));
  EXPECT_EQ(metric("meshdns_table_from_disk"), 1);
  const auto octets = std::filesystem::file_size(resolver_.state_folder() + "/istio.feed");

  start_control_plane();
  EXPECT_THAT(greeting().initial_resource_versions(), IsEmpty());
  tell(hosts);
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_table_from_disk") == 0; }));
  EXPECT_LE(std::filesystem::file_size(resolver_.state_folder() + "/istio.feed"), octets + 100)
      << "what is the same is not written again";
  tell({{.host = "*.corp.example", .ips = {"240.240.0.9"}}});
  ASSERT_TRUE(wait_until([&] { return data_of("a.corp.example").front() == "240.240.0.9"; }));
  EXPECT_EQ(rcode_of("web.shop"), "SERVFAIL") << "nobody's any more, and there is no upstream";
}

TEST_F(Istio, TheSecondAddressServesWhileTheFirstIsDown) {
  start_control_plane();
  std::vector<std::string> all = flags();
  all.insert(all.begin(), {"--istio-address", fmt::format("http://127.0.0.1:{}", free_port())});
  resolver_.start(all);
  EXPECT_EQ(greeting().type_url(), kNameTableType) << resolver_.log();
  tell({kubernetes_service("web", "shop", {"10.0.0.1"})});
  EXPECT_EQ(resolver_.wait_for_address("web.shop"), "10.0.0.1");
}

TEST_F(Istio, LosingTheControlPlaneChangesNoAnswer) {
  start_with({kubernetes_service("web", "shop", {"10.0.0.1"})});
  control_plane_.reset();
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_xds_connected") == 0; }));
  EXPECT_THAT(data_of("web.shop.svc"), ElementsAre("10.0.0.1"));
  start_control_plane();
  EXPECT_EQ(greeting().type_url(), kNameTableType);
  tell({kubernetes_service("web", "shop", {"10.0.0.9"})});
  EXPECT_TRUE(wait_until([&] { return data_of("web.shop.svc").front() == "10.0.0.9"; }));
}

// meshdns-cp serves the same where it is told to: whoever asks for a name table gets its mesh's.
TEST(IstioClients, OfOurControlPlaneGetItsNames) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web", .address = "192.0.2.1"});
  control_plane.start({"--name-tables"});
  ResolverProgram resolver;
  resolver.start({"--istio-address", "http://" + control_plane.address(), "--istio-workload",
                  "vm-1", "--istio-namespace", "shop"});
  EXPECT_EQ(resolver.wait_for_address("web.mesh"), "192.0.2.1") << resolver.log();
  control_plane.put({.name = "db-1", .service = "db", .address = "192.0.2.2"});
  EXPECT_EQ(resolver.wait_for_address("db.mesh"), "192.0.2.2");
  control_plane.remove_file("web-1.yaml");
  EXPECT_TRUE(wait_until([&] {
    const auto reply = ask(resolver.dns(), {.name = "web.mesh"});
    return reply && reply->rcode() == "NXDOMAIN";
  }));
  // It comes back with what it holds, and with virtual addresses where there are such.
  control_plane.kill();
  control_plane.start({"--name-tables", "--listeners", "bound"});
  EXPECT_TRUE(wait_until([&] { return resolver.address_of("db.mesh").starts_with("24"); }));
  EXPECT_EQ(control_plane.get("/streams").body.find("last_nack\":{"), std::string::npos);
}

}  // namespace
}  // namespace meshdns::support
