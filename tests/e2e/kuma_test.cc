// A Kuma control plane as a resolver sees it: TLS with a certificate of its own, a token, and the
// DNS table in a listener. The control plane is the test's; what it says is what Kuma 2.11 to 3.0
// say.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/kuma_listener.h"
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
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kListenerType = "type.googleapis.com/envoy.config.listener.v3.Listener";
constexpr const char* kListener = "system_dynamicconfig";
constexpr const char* kToken = "eyJhbGciOiJSUzI1NiJ9.eyJOYW1lIjoiY2xpZW50LTEifQ.c2lnbmF0dXJl";

// What was asked about the names of these tests.
std::vector<std::string> asked(const ScriptedUpstream& upstream) {
  std::vector<std::string> questions;
  for (const UpstreamQuery& query : upstream.queries()) {
    if (query.name.find("mesh") != std::string::npos || query.name.ends_with("corp.example.")) {
      questions.push_back(query.name + " " + query.type);
    }
  }
  return questions;
}

class Kuma : public ResolverFixture {
 protected:
  Kuma() {
    // As kuma-cp makes its own at the first start: for localhost, and signed by itself.
    const CommandResult made = run_command(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=kuma-control-plane", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder_.file("cp.key"), "-out",
         folder_.file("cp.crt")});
    EXPECT_EQ(made.exit_code, 0) << made.error;
    folder_.write("token", std::string(kToken) + "\n");
    folder_.write("dp.yaml",
                  "type: Dataplane\nmesh: default\nname: client-1\nnetworking:\n"
                  "  address: 127.0.0.1\n  inbound:\n  - port: 18080\n");
  }

  void start_control_plane() {
    control_plane_ = std::make_unique<ScriptedAds>(ScriptedAds::Options{
        .port = port_, .certificate = folder_.read("cp.crt"), .key = folder_.read("cp.key")});
  }
  [[nodiscard]] std::string url() const { return fmt::format("https://127.0.0.1:{}", port_); }
  [[nodiscard]] std::vector<std::string> flags(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"--cp-address",           url(),
                                 "--dataplane-file",       folder_.file("dp.yaml"),
                                 "--dataplane-token-file", folder_.file("token"),
                                 "--ca-cert-file",         folder_.file("cp.crt")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // The first request of a stream that begins.
  [[nodiscard]] DeltaDiscoveryRequest greeting() {
    EXPECT_TRUE(control_plane_->await_stream()) << resolver_.log();
    return control_plane_->next_request().value_or(DeltaDiscoveryRequest());
  }
  // Sends a body and returns the answer to it.
  DeltaDiscoveryRequest tell(const std::string& body, const std::string& name = kListener) {
    DeltaDiscoveryResponse response;
    response.set_type_url(kListenerType);
    response.set_nonce(std::to_string(++nonce_));
    auto& resource = *response.add_resources();
    resource.set_name(name);
    resource.set_version(kuma_etag(body));
    resource.mutable_resource()->set_type_url(kListenerType);
    resource.mutable_resource()->set_value(kuma_listener(body, name));
    return send(response);
  }
  DeltaDiscoveryRequest send(const DeltaDiscoveryResponse& response) {
    control_plane_->send(response.SerializeAsString());
    const auto answer = control_plane_->next_request().value_or(DeltaDiscoveryRequest());
    EXPECT_EQ(answer.response_nonce(), response.nonce()) << "every response is answered";
    EXPECT_EQ(answer.type_url(), kListenerType);
    return answer;
  }
  void tell_good(const std::vector<KumaRecord>& records) {
    EXPECT_FALSE(tell(kuma_body(records)).has_error_detail());
  }
  // All of them up, with this table known.
  void start_with(const std::vector<KumaRecord>& records, std::vector<std::string> more = {}) {
    start_control_plane();
    resolver_.start(flags(std::move(more)));
    EXPECT_EQ(greeting().node().id(), "default.client-1");
    tell_good(records);
    ASSERT_TRUE(resolver_.wait_ready()) << resolver_.get("/readyz").body << resolver_.log();
  }

  TemporaryDirectory folder_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<ScriptedAds> control_plane_;
  int nonce_ = 0;
};

TEST_F(Kuma, IsToldWhatASidecarTellsIt) {
  start_control_plane();
  resolver_.start(flags());
  const DeltaDiscoveryRequest first = greeting();
  EXPECT_EQ(control_plane_->authorization(), kToken) << "the token alone, without \"Bearer\"";
  EXPECT_EQ(first.type_url(), kListenerType);
  EXPECT_THAT(first.resource_names_subscribe(), IsEmpty());
  EXPECT_THAT(first.initial_resource_versions(), IsEmpty());
  EXPECT_EQ(first.node().id(), "default.client-1") << "from the Dataplane's file";
  const auto& metadata = first.node().metadata().fields();
  EXPECT_EQ(metadata.at("dataplane.proxyType").string_value(), "dataplane");
  EXPECT_EQ(metadata.at("dataplane.dns.port").string_value(), std::to_string(resolver_.dns().port));
  EXPECT_EQ(metadata.at("dataplane.resource").string_value(), folder_.read("dp.yaml"));
  EXPECT_THAT(metadata.at("workdir").string_value(), Not(IsEmpty()));
  std::vector<std::string> features;
  for (const auto& feature : metadata.at("features").list_value().values()) {
    features.push_back(feature.string_value());
  }
  EXPECT_THAT(features, ElementsAre("feature-transparent-proxy-in-dataplane-metadata",
                                    "feature-embedded-dns"));
  const auto& redirect = metadata.at("transparentProxy").struct_value().fields().at("redirect");
  EXPECT_TRUE(redirect.struct_value()
                  .fields()
                  .at("outbound")
                  .struct_value()
                  .fields()
                  .at("enabled")
                  .bool_value());
}

TEST_F(Kuma, NamesAreAnsweredAndNothingOfTheMeshGoesUpstream) {
  const ScriptedUpstream upstream(always_address("192.0.2.1"));
  start_with({{"backend.svc.mesh.local", {"241.0.0.0", "::ffff:f100:0"}},
              {"backend.mesh", {"240.0.0.5"}},
              {"db.extsvc.corp.example", {"242.0.0.0"}}},
             {"--upstream", upstream.address().to_string()});
  EXPECT_THAT(data_of("backend.svc.mesh.local"), ElementsAre("241.0.0.0"));
  EXPECT_THAT(data_of("BackEnd.SVC.mesh.LOCAL"), ElementsAre("241.0.0.0"));
  EXPECT_THAT(data_of("backend.svc.mesh.local", "AAAA"), ElementsAre("::ffff:241.0.0.0"));
  EXPECT_THAT(data_of("backend.mesh"), ElementsAre("240.0.0.5"));
  EXPECT_THAT(data_of("db.extsvc.corp.example"), ElementsAre("242.0.0.0"));
  EXPECT_THAT(data_of("0.0.0.241.in-addr.arpa", "PTR"), ElementsAre("backend.svc.mesh.local."));
  for (const char* const type : {"AAAA", "HTTPS", "SRV", "TXT", "MX", "ANY", "NS"}) {
    EXPECT_EQ(rcode_of("backend.mesh", type), "NOERROR") << type;
  }
  EXPECT_EQ(rcode_of("svc.mesh.local"), "NOERROR") << "there are names below it";
  for (const char* const name : {"nope.mesh", "nope.svc.mesh.local", "x.backend.mesh"}) {
    EXPECT_EQ(rcode_of(name), "NXDOMAIN") << name;
    EXPECT_EQ(rcode_of(name, "HTTPS"), "NXDOMAIN") << name;
  }
  EXPECT_THAT(data_of("db.extsvc.corp.example", "AAAA"), IsEmpty());
  EXPECT_EQ(rcode_of("db.extsvc.corp.example", "HTTPS"), "NOERROR");
  EXPECT_THAT(asked(upstream), IsEmpty());
  // Outside of the zones that are ours the other types of a name may be somebody's.
  EXPECT_THAT(data_of("www.corp.example"), ElementsAre("192.0.2.1"));
  EXPECT_EQ(rcode_of("db.extsvc.corp.example", "MX"), "NOERROR");
  EXPECT_THAT(asked(upstream), ElementsAre("www.corp.example. A", "db.extsvc.corp.example. MX"));
}

TEST_F(Kuma, CountsUnderTheNamesOfKumaDpWithTheLabelsOfTheFirstTable) {
  start_control_plane();
  resolver_.start(flags());
  static_cast<void>(greeting());
  EXPECT_THAT(resolver_.get("/metrics").body, Not(HasSubstr("kuma_dp_dns_")));
  tell_good({{"a.mesh", {"241.0.0.1"}}, {"b.mesh", {"241.0.0.2"}}});
  ASSERT_TRUE(resolver_.wait_ready());
  EXPECT_EQ(rcode_of("a.mesh"), "NOERROR");
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  const std::string mesh = R"(mesh="default")";
  EXPECT_EQ(metric("kuma_dp_dns_entries_total{" + mesh + "}"), 2);
  EXPECT_EQ(metric(R"(kuma_dp_dns_response_codes_total{rcode="nxdomain",)" + mesh + "}"), 1);
  EXPECT_GE(metric(R"(kuma_dp_dns_response_codes_total{rcode="noerror",)" + mesh + "}"), 1);
  const auto queries = [&](const std::string& qtype, const std::string& source) {
    return metric(fmt::format(R"(kuma_dp_dns_queries_total{{qtype="{}",source="{}",{}}})", qtype,
                              source, mesh));
  };
  const double before = queries("A", "local");
  EXPECT_GE(before, 2);
  EXPECT_EQ(queries("A", "upstream"), 0);
  for (const char* const type : {"AAAA", "AAAA", "HTTPS", "TXT", "ANY"}) {
    EXPECT_EQ(rcode_of("a.mesh", type), "NOERROR") << type;
  }
  EXPECT_EQ(rcode_of("www.corp.example", "A"), "SERVFAIL") << "there is no upstream server";
  EXPECT_EQ(rcode_of("www.corp.example", "MX"), "SERVFAIL");
  EXPECT_EQ(metric("kuma_dp_dns_upstream_request_duration_seconds_count{" + mesh + "}"), 2);
  EXPECT_EQ(queries("A", "local"), before);
  EXPECT_EQ(queries("AAAA", "local"), 2);
  EXPECT_EQ(queries("other", "local"), 3);
  EXPECT_EQ(queries("A", "upstream"), 1);
  EXPECT_EQ(queries("AAAA", "upstream"), 0);
  EXPECT_EQ(queries("other", "upstream"), 1);
  EXPECT_EQ(metric("kuma_dp_dns_config_ready_wait_seconds_count{" + mesh + "}"), 1);
  // The same again, so that nothing is counted twice.
  EXPECT_EQ(metric(R"(kuma_dp_dns_response_codes_total{rcode="nxdomain",)" + mesh + "}"), 1);
}

TEST_F(Kuma, NothingIsDeniedBeforeTheFirstTable) {
  const std::uint16_t readiness = free_port();
  start_control_plane();
  resolver_.start(flags({"--readiness-port", std::to_string(readiness)}));
  static_cast<void>(greeting());
  const auto ready = [&] { return http_get(loopback(readiness), "/ready").value_or(HttpReply{}); };
  EXPECT_EQ(rcode_of("backend.mesh"), "SERVFAIL");
  EXPECT_EQ(ask(resolver_.dns(), {.name = "backend.mesh"})->extended_error_code(), kNotReady);
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("feed kuma: nothing yet"));
  EXPECT_EQ(ready().status, 503);
  EXPECT_EQ(ready().body, "NOT_READY");
  EXPECT_THAT(tell("{}").error_detail().message(), HasSubstr("no list of records"));
  EXPECT_EQ(rcode_of("backend.mesh"), "SERVFAIL");
  tell_good({});
  ASSERT_TRUE(resolver_.wait_ready());
  EXPECT_EQ(rcode_of("backend.mesh"), "NXDOMAIN") << "an empty table is one";
  EXPECT_EQ(ready().status, 200);
  EXPECT_EQ(ready().body, "READY");
}

TEST_F(Kuma, WhileItEndsReadinessSaysSo) {
  // A question whose answer does not come keeps it from its end for a while.
  const ScriptedUpstream upstream(
      [](const UpstreamQuery&) { return std::vector<std::vector<std::uint8_t>>{}; });
  const std::uint16_t readiness = free_port();
  start_with({{"a.mesh", {"241.0.0.1"}}}, {"--readiness-port", std::to_string(readiness),
                                           "--upstream", upstream.address().to_string()});
  const auto ready = [&] { return http_get(loopback(readiness), "/ready").value_or(HttpReply{}); };
  EXPECT_EQ(ready().body, "READY");
  std::thread client(
      [&] { static_cast<void>(ask(resolver_.dns(), {.name = "www.corp.example", .type = "A"})); });
  EXPECT_TRUE(wait_until([&] { return !asked(upstream).empty(); }));
  resolver_.process().signal(SIGTERM);
  EXPECT_TRUE(wait_until([&] {
    const HttpReply reply = ready();
    return reply.status == 503 && reply.body == "TERMINATING";
  }));
  resolver_.process().signal(SIGHUP);
  EXPECT_EQ(ready().body, "TERMINATING") << "and nothing is reloaded any more";
  EXPECT_EQ(resolver_.process().wait(), 0);
  client.join();
}

TEST_F(Kuma, AnUpdateCostsWhatChanged) {
  std::vector<KumaRecord> records;
  for (int i = 0; i < 2000; ++i) {
    records.push_back(
        {fmt::format("svc-{}.svc.mesh.local", i), {fmt::format("241.0.{}.{}", i / 256, i % 256)}});
  }
  start_with(records);
  EXPECT_EQ(metric("meshdns_table_records"), 2000);
  const double pages = metric("meshdns_snapshot_pages_total");
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  const auto log_octets = [&] {
    return std::filesystem::file_size(resolver_.state_folder() + "/kuma.feed");
  };
  const auto octets = log_octets();
  records[1000].ips = {"241.9.9.9"};
  tell_good(records);
  ASSERT_TRUE(
      wait_until([&] { return data_of("svc-1000.svc.mesh.local").front() == "241.9.9.9"; }));
  // A page of entries and one of the directory for the name, and for the new address; whose page,
  // by the table's random key, may just be full and become two.
  EXPECT_LE(metric("meshdns_snapshot_pages_total") - pages, 5);
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  EXPECT_LT(log_octets() - octets, 600U) << "what is written to disk: a record and the mark";
  records.erase(records.begin() + 7);
  tell_good(records);
  ASSERT_TRUE(wait_until([&] { return rcode_of("svc-7.svc.mesh.local") == "NXDOMAIN"; }));
  EXPECT_THAT(data_of("svc-8.svc.mesh.local"), ElementsAre("241.0.0.8"));
}

TEST_F(Kuma, WhatCannotBeReadIsRefusedAndTheLastTableStays) {
  start_with({{"a.mesh", {"241.0.0.1"}}});
  for (const char* const bad : {R"({"records":[{"name":"a.mesh")", "{}", "", "[]",
                                R"({"records":[{"name":7,"ips":[]}]})"}) {
    const auto answer = tell(bad);
    EXPECT_THAT(answer.error_detail().message(), HasSubstr(kListener)) << bad;
    EXPECT_THAT(data_of("a.mesh"), ElementsAre("241.0.0.1")) << bad;
  }
  // Parts that make no sense are left out, and the rest counts.
  tell_good({{"b.mesh", {"241.0.0.2", "what"}}, {"B.mesh", {"241.0.0.3"}}, {"not a name", {}}});
  ASSERT_TRUE(wait_until([&] { return rcode_of("a.mesh") == "NXDOMAIN"; }));
  EXPECT_THAT(data_of("b.mesh"), ElementsAre("241.0.0.3")) << "the later of two";
  EXPECT_THAT(resolver_.log(), HasSubstr("parts of the DNS table are left out"));
  // Transparent proxying turned off: the listener goes.
  DeltaDiscoveryResponse gone;
  gone.set_type_url(kListenerType);
  gone.set_nonce("gone");
  gone.add_removed_resources(kListener);
  EXPECT_FALSE(send(gone).has_error_detail());
  EXPECT_THAT(data_of("b.mesh"), ElementsAre("241.0.0.3"));
}

TEST_F(Kuma, AReconnectShowsANewTokenAndWhatIsHeld) {
  start_with({{"a.mesh", {"241.0.0.1"}}});
  folder_.write("token", "renewed.token.now");
  for (int refusals = 0; refusals < 2; ++refusals) {
    control_plane_->end(kUnavailable,
                        "there is already an active stream from this node, try again later");
    const DeltaDiscoveryRequest first = greeting();
    EXPECT_EQ(control_plane_->authorization(), "renewed.token.now");
    EXPECT_EQ(first.node().id(), "default.client-1");
    EXPECT_EQ(first.initial_resource_versions().at(kListener),
              kuma_etag(kuma_body({{"a.mesh", {"241.0.0.1"}}})));
    EXPECT_THAT(data_of("a.mesh"), ElementsAre("241.0.0.1"));
  }
  EXPECT_THAT(resolver_.log(), HasSubstr("already an active stream"));
  tell_good({{"a.mesh", {"241.0.0.2"}}});
  EXPECT_TRUE(wait_until([&] { return data_of("a.mesh").front() == "241.0.0.2"; }));
}

TEST_F(Kuma, ARestartWithoutTheControlPlaneAnswersFromDisk) {
  start_with({{"a.svc.mesh.local", {"241.0.0.1", "::ffff:f100:1"}}, {"b.mesh", {"241.0.0.2"}}});
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  resolver_.kill();
  control_plane_.reset();
  resolver_.start(flags());
  EXPECT_EQ(resolver_.wait_for_undenied("a.svc.mesh.local"), "241.0.0.1") << resolver_.log();
  EXPECT_THAT(data_of("a.svc.mesh.local", "AAAA"), ElementsAre("::ffff:241.0.0.1"));
  EXPECT_THAT(data_of("b.mesh"), ElementsAre("241.0.0.2"));
  ASSERT_TRUE(wait_until([&] { return rcode_of("nope.mesh") == "NXDOMAIN"; }));
  EXPECT_EQ(resolver_.get("/readyz").status, 200);
  EXPECT_EQ(metric("meshdns_table_from_disk"), 1);

  start_control_plane();
  EXPECT_EQ(greeting().node().id(), "default.client-1");
  tell_good({{"a.svc.mesh.local", {"241.0.0.1", "::ffff:f100:1"}}});
  ASSERT_TRUE(wait_until([&] { return rcode_of("b.mesh") == "NXDOMAIN"; }));
  EXPECT_THAT(data_of("a.svc.mesh.local"), ElementsAre("241.0.0.1"));
  EXPECT_EQ(metric("meshdns_table_from_disk"), 0);
}

TEST_F(Kuma, ARestartIsSentNothingThatItHas) {
  const std::string body = kuma_body({{"a.mesh", {"241.0.0.1"}}, {"b.mesh", {"241.0.0.2"}}});
  start_with({{"a.mesh", {"241.0.0.1"}}, {"b.mesh", {"241.0.0.2"}}});
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  resolver_.kill();
  resolver_.start(flags());
  const DeltaDiscoveryRequest first = greeting();
  ASSERT_EQ(first.initial_resource_versions().size(), 1U);
  EXPECT_EQ(first.initial_resource_versions().at(kListener), kuma_etag(body));
  EXPECT_EQ(metric("meshdns_table_from_disk"), 1);
  // As Kuma answers: nothing is new.
  DeltaDiscoveryResponse nothing;
  nothing.set_type_url(kListenerType);
  nothing.set_nonce("nothing");
  EXPECT_FALSE(send(nothing).has_error_detail());
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_table_from_disk") == 0; }));
  EXPECT_THAT(data_of("b.mesh"), ElementsAre("241.0.0.2"));
  EXPECT_EQ(metric(R"(kuma_dp_dns_entries_total{mesh="default"})"), 2);
  tell_good({{"a.mesh", {"241.0.0.1"}}});
  ASSERT_TRUE(wait_until([&] { return rcode_of("b.mesh") == "NXDOMAIN"; }));
  EXPECT_THAT(data_of("a.mesh"), ElementsAre("241.0.0.1"));
}

TEST_F(Kuma, ARestartWithNamesHeldDownIsSentTheTable) {
  std::vector<KumaRecord> records;
  for (int i = 0; i < 30; ++i) {
    records.push_back({fmt::format("svc-{}.mesh", i), {fmt::format("241.0.0.{}", i + 1)}});
  }
  start_with(records);
  tell_good({records.front()});
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_table_services_held_down") != 0; }));
  EXPECT_EQ(rcode_of("svc-7.mesh"), "NOERROR") << "for a minute";
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  resolver_.kill();
  resolver_.start(flags());
  EXPECT_THAT(greeting().initial_resource_versions(), IsEmpty())
      << "the table on disk is not the one that was told last";
}

TEST_F(Kuma, TheSecondAddressServesWhileTheFirstIsDown) {
  start_control_plane();
  std::vector<std::string> all = flags();
  all.insert(all.begin(), {"--cp-address", fmt::format("https://localhost:{}", free_port())});
  resolver_.start(all);
  EXPECT_EQ(greeting().node().id(), "default.client-1") << resolver_.log();
  tell_good({{"a.mesh", {"241.0.0.1"}}});
  EXPECT_EQ(resolver_.wait_for_address("a.mesh"), "241.0.0.1");
}

TEST_F(Kuma, KumaDpsVariablesAreEnough) {
  start_control_plane();
  std::filesystem::remove(folder_.file("dp.yaml"));
  resolver_.options().environment = {"KUMA_CONTROL_PLANE_URL=" + url(), "KUMA_DATAPLANE_MESH=prod",
                                     "KUMA_DATAPLANE_NAME=vm-7",
                                     "KUMA_DATAPLANE_RUNTIME_TOKEN_PATH=" + folder_.file("token"),
                                     "KUMA_CONTROL_PLANE_CA_CERT_FILE=" + folder_.file("cp.crt")};
  resolver_.start();
  const DeltaDiscoveryRequest first = greeting();
  EXPECT_EQ(first.node().id(), "prod.vm-7");
  EXPECT_FALSE(first.node().metadata().fields().contains("dataplane.resource"));
  EXPECT_EQ(control_plane_->authorization(), kToken);
  EXPECT_THAT(resolver_.get("/config").body, HasSubstr("KUMA_CONTROL_PLANE_URL"));
}

TEST_F(Kuma, ATokenItselfIsSentAndShownNowhere) {
  start_control_plane();
  resolver_.start({"--cp-address", url(), "--mesh", "prod", "--name", "vm-7", "--dataplane-token",
                   kToken, "--ca-cert-file", folder_.file("cp.crt")});
  EXPECT_EQ(greeting().node().id(), "prod.vm-7");
  EXPECT_EQ(control_plane_->authorization(), kToken);
  EXPECT_THAT(resolver_.get("/config").body,
              AllOf(HasSubstr("dataplane_token: \"(not shown)\""), Not(HasSubstr(kToken))));
  EXPECT_THAT(resolver_.log(), Not(HasSubstr(kToken)));
}

TEST_F(Kuma, ACertificateOfNobodyIsNotTalkedTo) {
  start_control_plane();
  folder_.write("other.crt", folder_.read("cp.crt"));
  ASSERT_EQ(run_command({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=other",
                         "-keyout", folder_.file("other.key"), "-out", folder_.file("other.crt")})
                .exit_code,
            0);
  std::vector<std::string> all = flags();
  all.back() = folder_.file("other.crt");
  resolver_.start(all);
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_xds_connection_attempts_total") >= 2; }));
  EXPECT_FALSE(control_plane_->await_stream(std::chrono::milliseconds(0)));
  EXPECT_THAT(resolver_.log(), HasSubstr("control plane lost"));
}

TEST_F(Kuma, WhatIsWrongWithAFileIsSaidWithTheFlagAndWhatToDo) {
  struct Case {
    std::string file;  // of the fixture's, with this content; empty: none is there
    std::string content;
    std::vector<std::string> reasons;
  };
  const std::vector<Case> cases{
      {"token", "", {"--dataplane-token-file", "token", "kumactl generate dataplane-token"}},
      {"token", "two words\n", {"--dataplane-token-file", "holds no token"}},
      {"cp.crt", "", {"--ca-cert-file", "cp.crt", "kuma-cp.crt"}},
      {"cp.crt", "x", {"--ca-cert-file", "holds no certificate"}},
      {"dp.yaml", "", {"--dataplane-file", "dp.yaml"}},
      {"dp.yaml", "type: Mesh\n", {"--dataplane-file", "is no Dataplane"}},
      {"dp.yaml", "type: Dataplane\nname: {{ name }}\n", {"--dataplane-file", "{{variables}}"}},
      {"dp.yaml", "type: Dataplane\n  name: [\n", {"--dataplane-file", "dp.yaml:2"}},
      {"dp.yaml", "type: Dataplane\nmesh: a.b\nname: x\n", {"'a.b' has a dot"}},
  };
  for (const Case& row : cases) {
    const std::string before = folder_.read(row.file);
    std::filesystem::remove(folder_.file(row.file));
    if (!row.content.empty()) {
      folder_.write(row.file, row.content);
    }
    std::vector<std::string> argv{program_path("meshdns"), "check"};
    const auto all = flags();
    argv.insert(argv.end(), all.begin(), all.end());
    const CommandResult result = run_command(argv);
    EXPECT_EQ(result.exit_code, 1) << row.file << " " << row.content;
    for (const std::string& reason : row.reasons) {
      EXPECT_THAT(result.error + result.output, HasSubstr(reason))
          << row.file << " " << row.content;
    }
    folder_.write(row.file, before);
  }
}

}  // namespace
}  // namespace meshdns::support
