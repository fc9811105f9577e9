// Upstream servers that lead back to us: found, named and left alone, with any way round.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/datagram_relay.h"
#include "tests/support/dns_client.h"
#include "tests/support/peers.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;

constexpr const char* kAttempt = "300ms";
constexpr int kOther = 0;  // RFC 8914 section 4.1
// Of a question that went round until its end there would be thousands.
constexpr double kFewQuestions = 60;

// What all lines of this metric add up to.
double sum_of(const ResolverProgram& resolver, const std::string& name) {
  const std::string text = resolver.get("/metrics").body;
  double sum = 0;
  for (std::size_t at = text.find("\n" + name + "{"); at != std::string::npos;
       at = text.find("\n" + name + "{", at + 1)) {
    sum += std::stod(text.substr(text.find("} ", at) + 2));
  }
  return sum;
}

void expect_loop(const ResolverProgram& resolver, const SocketAddress& upstream) {
  EXPECT_EQ(sum_of(resolver, "meshdns_forward_loops_total"), 1);
  EXPECT_LE(sum_of(resolver, "meshdns_forward_queries_total"), kFewQuestions);
  EXPECT_TRUE(wait_until([&] {
    return resolver.log().find(
               "leads back to this resolver, so that questions would go round: it "
               "is not asked for a while upstream=" +
               upstream.to_string()) != std::string::npos;
  })) << resolver.log();
}

TEST(Loops, OfTwoResolversThatNameEachOtherEndWithAReason) {
  ResolverProgram first;
  ResolverProgram second;
  first.start({"--upstream", second.dns().to_string(), "--upstream-timeout", kAttempt});
  // Longer, so that it is the first that looks for a loop.
  second.start({"--upstream", first.dns().to_string(), "--upstream-timeout", "4s"});
  const auto reply = ask(first.dns(), {.name = "www.example.org"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "SERVFAIL");
  EXPECT_EQ(reply->extended_error_code(), kOther);
  expect_loop(first, second.dns());
  EXPECT_LE(sum_of(second, "meshdns_forward_queries_total"), kFewQuestions);

  // Held: nothing leaves any more, and both answer on.
  const double before = sum_of(first, "meshdns_forward_queries_total");
  const auto next = ask(first.dns(), {.name = "other.example.org"});
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->extended_error_code(), kOther);
  EXPECT_EQ(sum_of(first, "meshdns_forward_queries_total"), before);
  EXPECT_EQ(ask(second.dns(), {.name = "other.example.org"})->rcode(), "SERVFAIL");
  EXPECT_TRUE(first.process().is_running() && second.process().is_running());
}

TEST(Loops, LeaveTheOtherServersInUse) {
  const ScriptedUpstream good(always_address("192.0.2.2"));
  ResolverProgram first;
  ResolverProgram second;
  first.start({"--upstream", second.dns().to_string(), "--upstream", good.address().to_string(),
               "--upstream-timeout", kAttempt});
  second.start({"--upstream", first.dns().to_string(), "--upstream-timeout", "4s"});
  for (const char* const name : {"a.example.org", "b.example.org"}) {
    const auto reply = ask(first.dns(), {.name = name});
    ASSERT_TRUE(reply.has_value());
    EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.2")) << name;
  }
}

TEST(Loops, ThroughAPacketRedirectAreFound) {
  ResolverProgram resolver;
  // What leaves for this address arrives at the resolver's own listener.
  const DatagramRelay redirect(resolver.dns());
  resolver.start({"--upstream", redirect.address().to_string(), "--upstream-timeout", kAttempt});
  const auto reply = ask(resolver.dns(), {.name = "www.example.org"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "SERVFAIL");
  EXPECT_EQ(reply->extended_error_code(), kOther);
  expect_loop(resolver, redirect.address());
  EXPECT_LE(redirect.questions(), kFewQuestions);
}

TEST(Loops, ThroughForwardersOfOthersAreFound) {
  ResolverProgram resolver;
  const auto dnsmasq = [&] { return PeerServer::dnsmasq(resolver.dns()); };
  // The chain needs its last member first, and the resolver needs the chain's first address.
  const std::uint16_t port = resolver.dns().port;
  ASSERT_NE(port, 0);
  const auto middle = [&] {
    const ScriptedUpstream placeholder(always_address("192.0.2.9"), "127.0.0.1", port);
    return dnsmasq();
  }();
  resolver.start({"--upstream", middle->address().to_string(), "--upstream-timeout", kAttempt});
  const auto reply = ask(resolver.dns(), {.name = "www.example.org"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "SERVFAIL");
  expect_loop(resolver, middle->address());
}

// Whoever serves a domain sees what is asked for in it, and may have somebody ask us for the same.
TEST(Loops, AreNotFeignedByWhoSeesTheNameThatIsAskedFor) {
  constexpr const char* kProbe = "meshdns-loop-";
  const ScriptedUpstream upstream([](const UpstreamQuery& query) {
    const bool is_told = query.name.find("slow") == std::string::npos;
    return is_told ? always_address("192.0.2.1")(query) : std::vector<std::vector<std::uint8_t>>();
  });
  ResolverProgram resolver;
  resolver.start({"--upstream", upstream.address().to_string()});
  std::array<UniqueFd, 2> clients;
  for (UniqueFd& client : clients) {
    client = connect_socket(resolver.dns(), DnsTransport::kUdp);
    ASSERT_TRUE(send_message(client.get(), DnsTransport::kUdp, encode({.name = "slow.example"})));
  }
  std::string seen;
  ASSERT_TRUE(wait_until([&] {
    for (const UpstreamQuery& query : upstream.queries()) {
      std::string name = query.name;
      std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      });
      seen = name.starts_with(kProbe) ? name : seen;
    }
    return !seen.empty();
  }));
  EXPECT_TRUE(ask(resolver.dns(), {.name = seen}).has_value());
  EXPECT_EQ(resolver.address_of("www.example.org"), "192.0.2.1") << resolver.log();
  EXPECT_EQ(sum_of(resolver, "meshdns_forward_loops_total"), 0);
}

}  // namespace
}  // namespace meshdns::support
