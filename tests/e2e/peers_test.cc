// Each edge of the protocol driven by a program that we did not write. docs/INTEROP.md lists them.
#include "tests/support/peers.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "tests/e2e/network.h"
#include "tests/e2e/python_tools.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;

// The example of the readme, running.
class Peers : public testing::Test {
 protected:
  void SetUp() override {
    control_plane_.put({.name = "web-1", .service = "web"});
    control_plane_.put({.name = "cache-1", .service = "cache", .port = 6379, .protocol = "tcp"});
    control_plane_.start();
    resolver_.start_ready(control_plane_, {"--upstream", upstream_.address().to_string()});
    address_ = resolver_.address_of("web.mesh");
    port_ = std::to_string(resolver_.dns().port);
  }
  // What a program prints, after it has ended well.
  [[nodiscard]] static std::string output_of(const std::vector<std::string>& argv) {
    const CommandResult result = run_command(argv);
    EXPECT_EQ(result.exit_code, 0) << result.output << result.error;
    return result.output;
  }

  ScriptedUpstream upstream_{always_address("192.0.2.7")};
  ControlPlaneProgram control_plane_;
  ResolverProgram resolver_;
  std::string address_;
  std::string port_;
};

TEST_F(Peers, DigReadsAnswersOverUdpAndTcp) {
  EXPECT_EQ(output_of({"dig", "+short", "-p", port_, "@127.0.0.1", "web.mesh"}), address_ + "\n");
  EXPECT_EQ(output_of({"dig", "+tcp", "+short", "-p", port_, "@127.0.0.1", "web.mesh"}),
            address_ + "\n");
  EXPECT_EQ(output_of({"dig", "+short", "-p", port_, "@127.0.0.1", "www.example.org"}),
            "192.0.2.7\n");
  EXPECT_EQ(output_of({"dig", "+short", "-p", port_, "@127.0.0.1", "-x", address_}), "web.mesh.\n");
}

TEST_F(Peers, DigReadsNegativeAnswersAndTheApex) {
  const std::string missing = output_of({"dig", "-p", port_, "@127.0.0.1", "missing.mesh"});
  EXPECT_THAT(missing, HasSubstr("status: NXDOMAIN"));
  EXPECT_THAT(missing, HasSubstr("SOA"));
  const std::string none = output_of({"dig", "-p", port_, "@127.0.0.1", "web.mesh", "TXT"});
  EXPECT_THAT(none, HasSubstr("status: NOERROR"));
  EXPECT_THAT(none, HasSubstr("SOA"));
  EXPECT_THAT(output_of({"dig", "+short", "-p", port_, "@127.0.0.1", "mesh", "SOA"}),
              HasSubstr("mesh."));
  EXPECT_THAT(output_of({"dig", "+short", "-p", port_, "@127.0.0.1", "mesh", "NS"}),
              HasSubstr("mesh."));
}

TEST_F(Peers, DigFindsNothingToComplainAbout) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"web.mesh"},
                                             {"web.mesh", "AAAA"},
                                             {"WEB.MeSh"},
                                             {"web.mesh", "ANY"},
                                             {"+noedns", "web.mesh"},
                                             {"+bufsize=512", "web.mesh"},
                                             {"+nsid", "web.mesh"},
                                             {"+cookie", "web.mesh"},
                                             {"+ednsopt=65001:00ff", "web.mesh"}}) {
    std::vector<std::string> argv{"dig", "-p", port_, "@127.0.0.1"};
    argv.insert(argv.end(), words.begin(), words.end());
    const CommandResult result = run_command(argv);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_THAT(result.output + result.error, Not(HasSubstr("WARNING"))) << words.front();
    EXPECT_THAT(result.output + result.error, Not(HasSubstr("malformed"))) << words.front();
  }
}

TEST_F(Peers, DigIsToldTheEdnsVersionWeSpeak) {
  const std::string reply =
      output_of({"dig", "+edns=1", "+noednsneg", "-p", port_, "@127.0.0.1", "web.mesh"});
  EXPECT_THAT(reply, HasSubstr("status: BADVERS"));
}

TEST_F(Peers, KdigReadsAnswersAndExtendedErrors) {
  EXPECT_EQ(output_of({"kdig", "+short", "-p", port_, "@127.0.0.1", "web.mesh"}), address_ + "\n");
  EXPECT_EQ(output_of({"kdig", "+tcp", "+keepopen", "+short", "-p", port_, "@127.0.0.1", "web.mesh",
                       "www.example.org"}),
            address_ + "\n192.0.2.7\n");
  ResolverProgram waiting;  // for its first table
  waiting.start();
  EXPECT_THAT(output_of({"kdig", "+edns", "-p", std::to_string(waiting.dns().port), "@127.0.0.1",
                         "web.mesh"}),
              HasSubstr("Not Ready"));
}

TEST_F(Peers, DrillReadsAnswers) {
  for (const char* const transport : {"-u", "-t"}) {
    const std::string reply =
        output_of({"drill", transport, "-p", port_, "web.mesh", "@127.0.0.1"});
    EXPECT_THAT(reply, HasSubstr("rcode: NOERROR"));
    EXPECT_THAT(reply, HasSubstr(address_));
  }
}

TEST_F(Peers, UnboundForwardsToUs) {
  const auto unbound = PeerServer::unbound(
      "  domain-insecure: \"mesh.\"\n",
      fmt::format("forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{}\n", port_));
  for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const auto mesh = ask(unbound->address(), {.name = "web.mesh"}, transport);
    ASSERT_TRUE(mesh.has_value());
    EXPECT_THAT(mesh->answer_data("A"), testing::ElementsAre(address_));
    const auto other = ask(unbound->address(), {.name = "www.example.org"}, transport);
    ASSERT_TRUE(other.has_value());
    EXPECT_THAT(other->answer_data("A"), testing::ElementsAre("192.0.2.7"));
    const auto missing = ask(unbound->address(), {.name = "missing.mesh"}, transport);
    ASSERT_TRUE(missing.has_value());
    EXPECT_EQ(missing->rcode(), "NXDOMAIN");
  }
}

TEST_F(Peers, DnsmasqForwardsToUs) {
  const auto dnsmasq = PeerServer::dnsmasq(resolver_.dns());
  const auto mesh = ask(dnsmasq->address(), {.name = "web.mesh"});
  ASSERT_TRUE(mesh.has_value());
  EXPECT_THAT(mesh->answer_data("A"), testing::ElementsAre(address_));
  const auto missing = ask(dnsmasq->address(), {.name = "missing.mesh"});
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->rcode(), "NXDOMAIN");
}

TEST_F(Peers, KnotAnswersThroughUs) {
  const auto knot = PeerServer::knot({{"example.org",
                                       "@ 60 SOA ns admin 1 60 60 60 60\n"
                                       "@ 60 NS ns\n"
                                       "ns 60 A 192.0.2.53\n"
                                       "alias 60 CNAME ns\n"
                                       "text 60 TXT \"some words\"\n"}});
  ResolverProgram resolver;
  resolver.start({"--upstream", knot->address().to_string()});
  const auto alias = ask(resolver.dns(), {.name = "alias.example.org"});
  ASSERT_TRUE(alias.has_value());
  EXPECT_THAT(alias->message().answer,
              testing::ElementsAre("alias.example.org. 60 IN CNAME ns.example.org.",
                                   "ns.example.org. 60 IN A 192.0.2.53"));
  const auto text = ask(resolver.dns(), {.name = "text.example.org", .type = "TXT"});
  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(text->answer_data("TXT"), testing::ElementsAre("\"some words\""));
}

TEST_F(Peers, DnspythonDecodesEveryKindOfAnswer) {
  Process script(e2e::python_script("dns_answers.py", {port_, "web.mesh", address_}));
  EXPECT_EQ(script.wait(), 0) << script.standard_output() << script.standard_error();
}

TEST_F(Peers, TheSystemsOwnResolverFindsServices) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  // glibc's getaddrinfo, through a resolv.conf of its own. Here are loopback addresses alone, which
  // AI_ADDRCONFIG would take for no network.
  ResolverProgram resolver;
  const SocketAddress own{.ip = IpAddress::parse("127.0.0.1").value(), .port = 53};
  resolver.start_ready(control_plane_, {"--listen", own.to_string()});
  const std::string resolv_conf = resolver.folder().write("glibc.conf", "nameserver 127.0.0.1\n");
  EXPECT_THAT(output_of({"unshare", "--mount", "sh", "-c",
                         "mount --bind " + resolv_conf +
                             " /etc/resolv.conf && "
                             "getent --no-addrconfig ahostsv4 web.mesh"}),
              HasSubstr(address_));
}

TEST_F(Peers, GrpcioReadsServicesAndEndpoints) {
  EXPECT_EQ(e2e::ads_client({control_plane_.address(), "services"}),
            "default/cache 6379/tcp\ndefault/web 8080/http\n");
  EXPECT_THAT(e2e::ads_client({control_plane_.address(), "endpoints", "default/web"}),
              HasSubstr("default/web 127.0.0.1:8080"));
}

TEST_F(Peers, CurlReadsTheAdminPages) {
  const std::string base = "http://" + resolver_.admin().to_string();
  EXPECT_THAT(output_of({"curl", "-sf", base + "/metrics"}), HasSubstr("meshdns_xds_connected 1"));
  EXPECT_THAT(output_of({"curl", "-sf", base + "/table"}), HasSubstr("web.mesh"));
  EXPECT_THAT(output_of({"curl", "-sf", base + "/vips"}), HasSubstr(address_));
  EXPECT_THAT(output_of({"curl", "-sf", base + "/config"}), HasSubstr(port_));
  EXPECT_EQ(output_of({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE",
                       base + "/table"}),
            "405");
}

}  // namespace
}  // namespace meshdns::support
