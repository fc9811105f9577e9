// The tools of these tests against programs that we did not write, so that a failure elsewhere is a
// failure of meshdns.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "tests/e2e/network.h"
#include "tests/support/dns_client.h"
#include "tests/support/network_namespace.h"
#include "tests/support/peers.h"
#include "tests/support/process.h"
#include "tests/support/reply_log.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::chrono::milliseconds kShort{200};

TEST(Harness, UnboundAnswersTheClientOverUdpAndTcp) {
  const auto unbound = PeerServer::unbound(
      "  local-zone: \"example.org.\" static\n"
      "  local-data: \"a.example.org. 60 IN A 192.0.2.1\"\n");
  for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const auto reply = ask(unbound->address(), {.name = "a.example.org"}, transport);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->rcode(), "NOERROR");
    EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.1"));
  }
}

TEST(Harness, AProgramSeesNoVariableThatSpeaksToTheTests) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
  ASSERT_EQ(::setenv("MESHDNS_OF_THE_TESTS", "1", 1), 0);
  Process process({.argv = {"env"}, .environment = {"MESHDNS_OF_THE_PROGRAM=1"}});
  EXPECT_EQ(process.wait(), 0);
  EXPECT_THAT(process.standard_output(), HasSubstr("MESHDNS_OF_THE_PROGRAM=1"));
  EXPECT_THAT(process.standard_output(), testing::Not(HasSubstr("MESHDNS_OF_THE_TESTS")));
}

TEST(Harness, KnotAnswersTheClient) {
  const auto knot = PeerServer::knot({{"example.org",
                                       "@ 60 SOA ns admin 1 60 60 60 60\n"
                                       "@ 60 NS ns\n"
                                       "ns 60 A 192.0.2.53\n"}});
  const auto reply = ask(knot->address(), {.name = "ns.example.org"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(reply->message().aa);
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.53"));
}

TEST(Harness, AScriptedUpstreamIsUnderstoodByDig) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  const std::string port = std::to_string(upstream.address().port);
  const auto dig = run_command({"dig", "+short", "-p", port, "@127.0.0.1", "www.example.org"});
  EXPECT_EQ(dig.output, "192.0.2.7\n");
  const auto tcp =
      run_command({"dig", "+tcp", "+short", "-p", port, "@127.0.0.1", "www.example.org"});
  EXPECT_EQ(tcp.output, "192.0.2.7\n");
  EXPECT_EQ(upstream.count(DnsTransport::kUdp), 1U);
  EXPECT_EQ(upstream.count(DnsTransport::kTcp), 1U);
}

TEST(Harness, DnsmasqForwardsToAScriptedUpstream) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  const auto dnsmasq = PeerServer::dnsmasq(upstream.address());
  const auto reply = ask(dnsmasq->address(), {.name = "www.example.org"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.7"));
}

TEST(Harness, AnUpstreamThatIsSilentGivesTheClientNothing) {
  const ScriptedUpstream upstream(silence());
  EXPECT_FALSE(
      ask(upstream.address(), {.name = "www.example.org"}, DnsTransport::kUdp, kShort).has_value());
  EXPECT_EQ(upstream.count(DnsTransport::kUdp), 1U);
}

TEST(Harness, ACommandThatFailsSaysSo) {
  const auto result = run_command({"ls", "/no/such/file"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.error, HasSubstr("/no/such/file"));
  EXPECT_EQ(run_command({"/no/such/program"}).exit_code, 127);
}

TEST(Harness, NetworksAreJoinedByAPairOfInterfaces) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const NetworkNamespace other;
  ip("link add outer type veth peer name inner netns " + other.path());
  ip("addr add 192.0.2.1/24 dev outer");
  ip("link set outer up");
  for (const std::string words : {"addr add 192.0.2.2/24 dev inner", "link set inner up"}) {
    Process inside({.argv = {"sh", "-c", "ip " + words}, .network_namespace = other.fd()});
    ASSERT_EQ(inside.wait(), 0) << inside.standard_error();
  }
  const ScriptedUpstream upstream(always_address("192.0.2.7"), "192.0.2.1");
  std::vector<std::string> data;
  other.run([&] {
    const auto reply = ask(upstream.address(), {.name = "www.example.org"});
    data = reply.has_value() ? reply->answer_data("A") : std::vector<std::string>{};
  });
  EXPECT_THAT(data, ElementsAre("192.0.2.7"));
  ip("link del outer");
}

TEST(Harness, HasDnspythonReadEveryReplyAndNameTheWrongOnes) {
  const std::vector<std::uint8_t> good = encode({.name = "web.mesh"});
  std::vector<std::uint8_t> cut = good;
  cut.pop_back();
  std::vector<std::uint8_t> trailing = good;
  trailing.push_back(0);
  EXPECT_EQ(dnspython_on({good, good}), "");
  EXPECT_THAT(dnspython_on({good, cut}), testing::HasSubstr("dnspython: "));
  EXPECT_THAT(dnspython_on({trailing, good}), testing::HasSubstr("TrailingJunk"));
}

}  // namespace
}  // namespace meshdns::support
