// A kuma-dp that is left as it is: its Envoy's unix socket tells the table. The Envoy is the
// test's, and so is everything else that may stand in its place.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/resolver_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/kuma_listener.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/unix_http_server.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class KumaSocket : public ResolverFixture {
 protected:
  void serve(const UnixHttpServer::Script& script) {
    envoy_ = std::make_unique<UnixHttpServer>(path_, script);
  }
  void serve(const std::vector<KumaRecord>& records) { serve(table(records)); }
  static UnixHttpServer::Script table(const std::vector<KumaRecord>& records) {
    return serve_kuma_table(kuma_body(records));
  }
  void start(std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"--dynamicconfig-socket", path_, "--dynamicconfig-interval", "100ms"});
    resolver_.start(more);
  }
  // How often the log says so; it is written by a thread of its own.
  [[nodiscard]] std::size_t said(const std::string& text) const {
    const std::string log = resolver_.log();
    std::size_t count = 0;
    for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) {
      ++count;
    }
    return count;
  }
  [[nodiscard]] bool says(const std::string& text) const {
    return wait_until([&] { return said(text) != 0; });
  }
  [[nodiscard]] double polls(std::string_view result) const {
    return metric(fmt::format(R"(meshdns_kuma_polls_total{{result="{}"}})", result));
  }

  TemporaryDirectory folder_;
  std::string path_ = folder_.file("kuma-mesh-metric-config.sock");
  std::atomic<bool> trickles_{true};
  std::atomic<int> octets_{0};
  std::unique_ptr<UnixHttpServer> envoy_;
};

TEST_F(KumaSocket, TellsTheTableAndItsChanges) {
  serve({{"a.svc.mesh.local", {"241.0.0.1", "::ffff:f100:1"}}, {"b.mesh", {"240.0.0.2"}}});
  start();
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.get("/readyz").body << resolver_.log();
  EXPECT_THAT(data_of("A.svc.mesh.local"), ElementsAre("241.0.0.1"));
  EXPECT_THAT(data_of("a.svc.mesh.local", "AAAA"), ElementsAre("::ffff:241.0.0.1"));
  EXPECT_THAT(data_of("1.0.0.241.in-addr.arpa", "PTR"), ElementsAre("a.svc.mesh.local."));
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  EXPECT_EQ(metric("meshdns_kuma_socket_connected"), 1);
  EXPECT_EQ(metric(R"(kuma_dp_dns_entries_total{mesh="default"})"), 2);
  EXPECT_TRUE(says("kuma-dp's socket answers path=" + path_));
  ASSERT_TRUE(wait_until([&] { return polls("unchanged") >= 2; }));
  EXPECT_EQ(polls("changed"), 1) << "what is the same is not sent again";
  const auto requests = envoy_->requests();
  EXPECT_THAT(header_of(requests.front(), "If-None-Match"), IsEmpty());
  EXPECT_THAT(header_of(requests.back(), "If-None-Match"), Not(IsEmpty()));
  envoy_->set_script(table({{"a.svc.mesh.local", {"241.0.0.9"}}}));
  ASSERT_TRUE(wait_until([&] { return rcode_of("b.mesh") == "NXDOMAIN"; }));
  EXPECT_THAT(data_of("a.svc.mesh.local"), ElementsAre("241.0.0.9"));
}

TEST_F(KumaSocket, IsWaitedForAndNothingIsDeniedMeanwhile) {
  start();
  ASSERT_TRUE(wait_until([&] { return polls("failed") >= 2; }));
  EXPECT_EQ(rcode_of("a.mesh"), "SERVFAIL");
  EXPECT_EQ(ask(resolver_.dns(), {.name = "a.mesh"})->extended_error_code(), kNotReady);
  EXPECT_THAT(resolver_.get("/readyz").body,
              AllOf(HasSubstr("feed kuma"), HasSubstr(path_ + ": there is none")));
  EXPECT_TRUE(says("is kuma-dp up, and is this"));
  // It comes up before its control plane has told it of a table.
  serve(serve_kuma_table(""));
  ASSERT_TRUE(wait_until([&] { return polls("none") >= 1; }));
  EXPECT_EQ(rcode_of("a.mesh"), "SERVFAIL");
  EXPECT_TRUE(says("tells no DNS table"));
  envoy_->set_script(table({}));
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.get("/readyz").body;
  EXPECT_EQ(rcode_of("a.mesh"), "NXDOMAIN") << "an empty table is one";
}

TEST_F(KumaSocket, WithoutItTheLastTableAnswersOverARestartToo) {
  serve({{"a.mesh", {"241.0.0.1"}}, {"b.mesh", {"241.0.0.2"}}});
  start();
  ASSERT_TRUE(resolver_.wait_ready());
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  envoy_.reset();
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_kuma_socket_connected") == 0; }));
  EXPECT_THAT(data_of("a.mesh"), ElementsAre("241.0.0.1"));
  EXPECT_EQ(resolver_.get("/readyz").status, 200);
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("serving the last table"));
  resolver_.kill();
  start();
  EXPECT_EQ(resolver_.wait_for_undenied("a.mesh"), "241.0.0.1") << resolver_.log();
  ASSERT_TRUE(wait_until([&] { return rcode_of("nope.mesh") == "NXDOMAIN"; }));
  EXPECT_EQ(metric("meshdns_table_from_disk"), 1);
  serve({{"a.mesh", {"241.0.0.1"}}});
  ASSERT_TRUE(wait_until([&] { return rcode_of("b.mesh") == "NXDOMAIN"; }));
  EXPECT_EQ(metric("meshdns_table_from_disk"), 0);
}

TEST_F(KumaSocket, ARestartIsSentNothingThatItHas) {
  serve({{"a.mesh", {"241.0.0.1"}}});
  start();
  ASSERT_TRUE(resolver_.wait_ready());
  ASSERT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  resolver_.kill();
  const std::size_t before = envoy_->requests().size();
  start();
  ASSERT_TRUE(wait_until([&] { return polls("unchanged") >= 1; }));
  EXPECT_THAT(header_of(envoy_->requests().at(before), "If-None-Match"), Not(IsEmpty()));
  EXPECT_EQ(polls("changed"), 0);
  EXPECT_EQ(metric("meshdns_table_from_disk"), 0);
  EXPECT_THAT(data_of("a.mesh"), ElementsAre("241.0.0.1"));
  EXPECT_EQ(metric(R"(kuma_dp_dns_entries_total{mesh="default"})"), 1);
}

TEST_F(KumaSocket, WhoeverListensThereTheLastTableStaysAndIsTakenUpAgain) {
  serve({{"a.mesh", {"241.0.0.1"}}});
  start();
  ASSERT_TRUE(resolver_.wait_ready());
  struct Case {
    std::string response;
    std::string reason;
  };
  const std::vector<Case> cases{
      {http_response(500, "no"), "status 500"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "is no HTTP"},
      {"", "hangs up without an answer"},
      {"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "larger than 67108864 octets"},
      {http_response(200, "<html>"), "the DNS table is no JSON"},
      {http_response(200, "{}", {"etag: x"}), "has no list of records"},
      {http_response(200, std::string(1'000'000, '[')), "the DNS table is no JSON"},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::size_t said_before = said(cases[i].reason);
    envoy_->set_script([response = cases[i].response](const auto&, auto& connection) {
      connection.write_all(response);
    });
    ASSERT_TRUE(wait_until([&] {
      return resolver_.get("/readyz").body.find(cases[i].reason) != std::string::npos;
    })) << cases[i].reason
        << resolver_.get("/readyz").body;
    EXPECT_TRUE(wait_until([&] { return said(cases[i].reason) > said_before; }));
    EXPECT_EQ(metric("meshdns_kuma_socket_connected"), 0);
    EXPECT_THAT(data_of("a.mesh"), ElementsAre(fmt::format("241.0.0.{}", i + 1)));
    envoy_->set_script(table({{"a.mesh", {fmt::format("241.0.0.{}", i + 2)}}}));
    ASSERT_TRUE(wait_until(
        [&] { return data_of("a.mesh") == std::vector{fmt::format("241.0.0.{}", i + 2)}; }));
  }
}

TEST_F(KumaSocket, AnAnswerThatTricklesHoldsNobodyUp) {
  serve([this](const auto&, auto& connection) {
    connection.write_all("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    while (trickles_ && connection.write_all("1\r\n \r\n") &&
           !connection.ends_within(std::chrono::milliseconds(1))) {
      ++octets_;
    }
  });
  start();
  ASSERT_TRUE(wait_until([&] { return octets_ > 50; }));
  EXPECT_EQ(rcode_of("a.mesh"), "SERVFAIL");
  EXPECT_EQ(resolver_.get("/healthz").status, 200);
  EXPECT_EQ(resolver_.get("/readyz").status, 503);
  envoy_->set_script(table({{"a.mesh", {"241.0.0.1"}}}));
  trickles_ = false;
  EXPECT_EQ(resolver_.wait_for_address("a.mesh"), "241.0.0.1");
  // And nobody waits for the end of one.
  trickles_ = true;
  octets_ = 0;
  envoy_->set_script([this](const auto&, auto& connection) {
    while (connection.write_all("HTTP/1.1 200 OK\r\n") && trickles_) {
      ++octets_;
    }
    connection.wait_for_end();
  });
  ASSERT_TRUE(wait_until([&] { return octets_ > 0; }));
  EXPECT_EQ(resolver_.terminate(), 0) << resolver_.log();
}

TEST_F(KumaSocket, WhatCannotBeOneIsSaidAndAskedAgain) {
  std::filesystem::create_directory(path_);
  start();
  ASSERT_TRUE(wait_until([&] {
    return resolver_.get("/readyz").body.find("is a folder, no socket") != std::string::npos;
  })) << resolver_.log();
  std::filesystem::remove(path_);
  folder_.write("kuma-mesh-metric-config.sock", "text");
  ASSERT_TRUE(wait_until(
      [&] { return resolver_.get("/readyz").body.find("is no socket") != std::string::npos; }));
  serve({{"a.mesh", {"241.0.0.1"}}});
  EXPECT_EQ(resolver_.wait_for_address("a.mesh"), "241.0.0.1");
  const CommandResult both =
      run_command({program_path("meshdns"), "check", "--dynamicconfig-socket", path_,
                   "--cp-address", "https://localhost:5678"});
  EXPECT_EQ(both.exit_code, 1);
  EXPECT_THAT(both.error + both.output, AllOf(HasSubstr("--dynamicconfig-socket"),
                                              HasSubstr("there is a control plane already")));
}

}  // namespace
}  // namespace meshdns::support
