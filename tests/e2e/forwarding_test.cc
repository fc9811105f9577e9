// Names of others: forwarded, whatever state the upstream servers are in.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/peers.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kName = "www.example.org";
// Of one attempt in these tests; the real default is longer.
constexpr const char* kAttempt = "300ms";

std::string to_text(const SocketAddress& address) { return address.to_string(); }

// A resolver with the given upstream servers, in order.
class Forwarding : public testing::Test {
 protected:
  void start(const std::vector<SocketAddress>& upstreams) {
    std::vector<std::string> flags{"--upstream-timeout", kAttempt};
    for (const SocketAddress& upstream : upstreams) {
      flags.insert(flags.end(), {"--upstream", to_text(upstream)});
    }
    resolver_.start(flags);
  }

  ResolverProgram resolver_;
};

TEST_F(Forwarding, UnboundAnswersThroughUs) {
  const auto unbound = PeerServer::unbound(
      "  local-zone: \"example.org.\" static\n"
      "  local-data: \"www.example.org. 60 IN A 192.0.2.1\"\n");
  start({unbound->address()});
  for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const auto reply = ask(resolver_.dns(), {.name = kName}, transport);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->rcode(), "NOERROR");
    EXPECT_TRUE(reply->message().ra);
    EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.1"));
  }
  const auto missing = ask(resolver_.dns(), {.name = "missing.example.org"});
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->rcode(), "NXDOMAIN");
}

TEST_F(Forwarding, ADeadUpstreamIsPassedOver) {
  const SocketAddress dead = loopback(free_port());  // ICMP port unreachable
  const ScriptedUpstream good(always_address("192.0.2.2"));
  start({dead, good.address()});
  const auto reply = ask(resolver_.dns(), {.name = kName});
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.2"));
}

TEST_F(Forwarding, ASilentUpstreamIsPassedOverAtItsTimeout) {
  const ScriptedUpstream silent(silence());
  const ScriptedUpstream good(always_address("192.0.2.2"));
  start({silent.address(), good.address()});
  const auto reply = ask(resolver_.dns(), {.name = kName});
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.2"));
  EXPECT_GE(silent.count(DnsTransport::kUdp), 1U);
}

TEST_F(Forwarding, AnUpstreamThatRefusesOrFailsIsPassedOver) {
  for (const char* const rcode : {"SERVFAIL", "REFUSED"}) {
    const ScriptedUpstream bad([rcode](const UpstreamQuery& query) {
      return std::vector<std::vector<std::uint8_t>>{make_reply(query, rcode, {})};
    });
    const ScriptedUpstream good(always_address("192.0.2.2"));
    ResolverProgram resolver;
    resolver.start({"--upstream", to_text(bad.address()), "--upstream", to_text(good.address())});
    const auto reply = ask(resolver.dns(), {.name = kName});
    ASSERT_TRUE(reply.has_value());
    EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.2")) << rcode;
  }
}

TEST_F(Forwarding, NoUpstreamThatAnswersIsServfailWithAReason) {
  const ScriptedUpstream silent(silence());
  start({silent.address()});
  const auto reply = ask(resolver_.dns(), {.name = kName});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "SERVFAIL");
  EXPECT_THAT(reply->extended_error_code(),
              testing::AnyOf(22, 23));  // RFC 8914 sections 4.23, 4.24
}

TEST_F(Forwarding, ASlowUpstreamDelaysNobodyElse) {
  const ScriptedUpstream slow([](const UpstreamQuery& query) {
    std::vector<std::vector<std::uint8_t>> replies;
    if (query.name != "slow.example.org.") {
      replies.push_back(make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.3"}));
    }
    return replies;
  });
  resolver_.start({"--upstream", to_text(slow.address()), "--upstream-timeout", "4s"});
  const UniqueFd waiting = connect_socket(resolver_.dns(), DnsTransport::kUdp);
  ASSERT_TRUE(
      send_message(waiting.get(), DnsTransport::kUdp, encode({.name = "slow.example.org"})));
  ASSERT_TRUE(wait_until([&] { return slow.count(DnsTransport::kUdp) >= 1; }));
  const auto reply = ask(resolver_.dns(), {.name = kName});
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.3"));
  // The slow one has not been answered meanwhile: order, not time, is what this shows.
  EXPECT_FALSE(
      receive_message(waiting.get(), DnsTransport::kUdp, std::chrono::milliseconds(0)).has_value());
}

TEST_F(Forwarding, ATruncatingUnboundIsAskedAgainOverTcp) {
  std::string records;
  constexpr int kRecords = 150;  // 2.4 kB: beyond every UDP payload size in use
  for (int i = 0; i < kRecords; ++i) {
    records += fmt::format("  local-data: \"www.example.org. 60 IN A 192.0.2.{}\"\n", i + 1);
  }
  const auto unbound = PeerServer::unbound("  local-zone: \"example.org.\" static\n" + records);
  start({unbound->address()});

  const auto small = ask(resolver_.dns(), {.name = kName});
  ASSERT_TRUE(small.has_value());
  EXPECT_TRUE(small->message().tc);
  EXPECT_LE(small->octets().size(), 1232U);

  const auto whole = ask(resolver_.dns(), {.name = kName}, DnsTransport::kTcp);
  ASSERT_TRUE(whole.has_value());
  EXPECT_FALSE(whole->message().tc);
  EXPECT_THAT(whole->answer_data("A"), SizeIs(kRecords));
}

TEST_F(Forwarding, ASpecialNameLeavesWhereItIsSwitchedOff) {
  struct Row {
    std::string flag;
    std::string name;
  };
  const std::vector<Row> rows{{"localhost", "a.localhost"},
                              {"invalid", "a.invalid"},
                              {"test", "a.test"},
                              {"onion", "a.onion"},
                              {"resolver-arpa", "_dns.resolver.arpa"},
                              {"reverse-loopback", "1.0.0.127.in-addr.arpa"}};
  for (const Row& off : rows) {
    const ScriptedUpstream upstream(always_address("192.0.2.7"));
    ResolverProgram resolver;
    resolver.start(
        {"--upstream", upstream.address().to_string(), "--special-" + off.flag, "false"});
    for (const Row& row : rows) {
      EXPECT_TRUE(ask(resolver.dns(), {.name = row.name}).has_value()) << row.name;
    }
    ASSERT_EQ(upstream.queries().size(), 1U) << off.flag;
    EXPECT_EQ(upstream.queries().front().name, off.name + ".");
  }
}

TEST_F(Forwarding, AMeshNameNeverLeaves) {
  const ScriptedUpstream upstream(always_address("192.0.2.2"));
  start({upstream.address()});
  for (const char* const type : {"A", "AAAA", "TXT", "MX"}) {
    const auto reply = ask(resolver_.dns(), {.name = "secret.mesh", .type = type});
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->rcode(), "SERVFAIL") << type;
  }
  EXPECT_THAT(upstream.queries(), SizeIs(0));
}

TEST_F(Forwarding, AnUpstreamThatIsOurselvesIsRefusedAtStart) {
  const std::string own = to_text(resolver_.dns());
  const auto result = run_command({program_path("meshdns"), "run", "--listen", own, "--upstream",
                                   own, "--state-dir", resolver_.state_folder()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output + result.error, HasSubstr(own));
}

TEST_F(Forwarding, ResolvConfThatNamesOurselvesIsWarnedAboutAndItsOtherServersAreUsed) {
  // resolv.conf has no ports: only a resolver on port 53 can be meant by it.
  const SocketAddress own{.ip = loopback(0).ip, .port = 53};
  const ScriptedUpstream other(always_address("192.0.2.2"), "127.0.0.2", 53);
  resolver_.folder().write("resolv.conf", "nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
  resolver_.start({"--listen", to_text(own)});
  const auto reply = ask(own, {.name = kName});
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.2"));
  EXPECT_THAT(resolver_.log(), HasSubstr("127.0.0.1"));
}

TEST_F(Forwarding, ResolvConfServersAreAskedInOrder) {
  const ScriptedUpstream first(always_address("192.0.2.1"), "127.0.0.2", 53);
  const ScriptedUpstream second(always_address("192.0.2.2"), "127.0.0.3", 53);
  resolver_.folder().write("resolv.conf", "nameserver 127.0.0.2\nnameserver 127.0.0.3\n");
  resolver_.start();
  const auto reply = ask(resolver_.dns(), {.name = kName});
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(second.queries(), SizeIs(0));
}

}  // namespace
}  // namespace meshdns::support
