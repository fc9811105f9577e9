// Routes, groups and their policies, with real servers behind them.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "resolver/wire/protocol.h"
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
using testing::IsEmpty;
using testing::SizeIs;

std::string unbound_zone(const std::string& zone, const std::string& address) {
  return fmt::format(
      "  local-zone: \"{0}\" redirect\n"
      "  local-data: \"{0} 60 IN A {1}\"\n"
      "  local-data: \"{0} 60 IN AAAA 2001:db8::1\"\n",
      zone, address);
}

class Routes : public testing::Test {
 protected:
  void configure(const std::string& upstreams) {
    resolver_.folder().write("meshdns.yaml", "upstreams:\n" + upstreams);
  }
  void start(const std::string& upstreams) {
    configure(upstreams);
    resolver_.start({"--config", resolver_.folder().file("meshdns.yaml")});
  }
  void reload(const std::string& upstreams) {
    const std::string before = resolver_.log();
    configure(upstreams);
    resolver_.process().signal(SIGHUP);
    ASSERT_TRUE(wait_until([&] {
      return resolver_.log().substr(before.size()).find("reloaded") != std::string::npos;
    }));
  }
  std::string address(const std::string& name) {
    const auto reply = ask(resolver_.dns(), {.name = name});
    if (!reply) {
      return "no reply";
    }
    const auto data = reply->answer_data("A");
    return data.empty() ? reply->rcode() : data.front();
  }

  ResolverProgram resolver_;
};

TEST_F(Routes, EachDomainAsksItsServers) {
  const auto corp = PeerServer::unbound(
      unbound_zone("example.", "192.0.2.53") + unbound_zone("10.in-addr.arpa.", "192.0.2.10") +
      unbound_zone("local.", "192.0.2.54") + unbound_zone("invalid.", "192.0.2.55") +
      unbound_zone("mesh.", "192.0.2.66"));
  const auto behind = PeerServer::unbound(unbound_zone(".", "192.0.2.1"));
  const auto dnsmasq = PeerServer::dnsmasq(behind->address());
  start(
      fmt::format("  servers: [{}]\n"
                  "  groups: [corp = random {}]\n"
                  "  routes:\n"
                  "    - corp.example = corp\n"
                  "    - out.corp.example = default\n"
                  "    - 10.in-addr.arpa = corp\n"
                  "    - local = corp\n"
                  "    - a.invalid = corp\n"
                  "    - ads.example = refuse\n"
                  "    - gone.example = nxdomain\n"
                  "    - v4.corp.example = no-aaaa\n",
                  dnsmasq->address().to_string(), corp->address().to_string()));
  struct Case {
    std::string name;
    std::string want;
  };
  const std::vector<Case> cases{
      {"www.example", "192.0.2.1"},
      {"corp.example", "192.0.2.53"},
      {"www.CORP.example", "192.0.2.53"},
      {"xcorp.example", "192.0.2.1"},
      {"www.out.corp.example", "192.0.2.1"},
      {"1.2.3.10.in-addr.arpa", "192.0.2.10"},
      {"printer.local", "192.0.2.54"},
      {"x.a.invalid", "192.0.2.55"},
      {"b.invalid", "NXDOMAIN"},
      {"x.ads.example", "REFUSED"},
      {"gone.example", "NXDOMAIN"},
      {"x.gone.example", "NXDOMAIN"},
      {"www.v4.corp.example", "192.0.2.53"},
      {"secret.mesh", "SERVFAIL"},
  };
  for (int again = 0; again < 2; ++again) {  // from upstream, and from the cache
    for (const Case& row : cases) {
      EXPECT_EQ(address(row.name), row.want) << row.name;
    }
  }
  for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const auto suppressed =
        ask(resolver_.dns(), {.name = "www.v4.corp.example", .type = "AAAA"}, transport);
    ASSERT_TRUE(suppressed.has_value());
    EXPECT_EQ(suppressed->rcode(), "NOERROR");
    EXPECT_THAT(suppressed->message().answer, IsEmpty());
    EXPECT_THAT(suppressed->message().authority,
                ElementsAre(testing::StartsWith("v4.corp.example. 30 IN SOA ")));
    EXPECT_EQ(suppressed->extended_error_code(), dns::extended_error::kBlocked);
    const auto refused = ask(resolver_.dns(), {.name = "ads.example"}, transport);
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->extended_error_code(), dns::extended_error::kBlocked);
  }
  EXPECT_EQ(ask(resolver_.dns(), {.name = "w.corp.example", .type = "AAAA"})->answer_data("AAAA"),
            std::vector<std::string>{"2001:db8::1"});
}

TEST_F(Routes, AReloadChangesThemAndForgetsWhatTheOldOnesSaid) {
  const ScriptedUpstream one(always_address("192.0.2.1"));
  const ScriptedUpstream two(always_address("192.0.2.2"));
  const std::string head =
      fmt::format("  servers: [{}]\n  groups: [corp = {}]\n  routes: ", one.address().to_string(),
                  two.address().to_string());
  start(head + "[]\n");
  EXPECT_EQ(address("www.corp.example"), "192.0.2.1");
  reload(head + "[corp.example = corp]\n");
  EXPECT_EQ(address("www.corp.example"), "192.0.2.2");
  reload(head + "[corp.example = nxdomain]\n");
  EXPECT_EQ(address("www.corp.example"), "NXDOMAIN");
  reload(head + "[corp.example = corp]\n");
  EXPECT_EQ(address("www.corp.example"), "192.0.2.2");
  // What changes nothing forgets nothing.
  const std::size_t asked = two.queries().size();
  reload(head + "[corp.example = corp]\n");
  EXPECT_EQ(address("www.corp.example"), "192.0.2.2");
  EXPECT_THAT(two.queries(), SizeIs(asked));
}

TEST_F(Routes, AReloadLosesNoQuestionInFlight) {
  const ScriptedUpstream slow([](const UpstreamQuery& query) {
    if (query.name != "ready.corp.example.") {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return std::vector<std::vector<std::uint8_t>>{
        make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})};
  });
  const std::string head = fmt::format(
      "  servers: [{0}]\n  groups: [corp = random {0}]\n  routes: ", slow.address().to_string());
  start(head + "[]\n");
  constexpr int kRounds = 6;
  constexpr int kQuestions = 40;
  const UniqueFd socket = connect_socket(resolver_.dns(), DnsTransport::kTcp);
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kQuestions; ++i) {
      ASSERT_TRUE(send_message(socket.get(), DnsTransport::kTcp,
                               encode({.name = fmt::format("n{}-{}.corp.example", round, i)})));
    }
    reload(head + (round % 2 == 0 ? "[corp.example = corp]\n" : "[]\n"));
    for (int i = 0; i < kQuestions; ++i) {
      const auto octets = receive_message(socket.get(), DnsTransport::kTcp);
      ASSERT_TRUE(octets.has_value()) << round << ' ' << i;
      EXPECT_EQ(DnsReply::decode(*octets)->rcode(), "NOERROR");
    }
  }
}

TEST_F(Routes, AWrongOneIsAnErrorThatLeavesTheOldInUse) {
  const ScriptedUpstream one(always_address("192.0.2.1"));
  const std::string head = fmt::format("  servers: [{}]\n  routes: ", one.address().to_string());
  start(head + "[]\n");
  struct Case {
    std::string routes;
    std::string want;
  };
  const std::vector<Case> cases{
      {"[a.mesh = refuse]\n", "a.mesh lies in mesh, which is answered here"},
      {"[244.in-addr.arpa = refuse]\n", "244.in-addr.arpa lies in 244.in-addr.arpa."},
      {"[corp.example = corp]\n", "corp, which is no group"},
      {"[corp.example = refuse, corp.example = nxdomain]\n", "corp.example is there twice"},
  };
  for (const Case& row : cases) {
    configure(head + row.routes);
    const auto checked = run_command(
        {program_path("meshdns"), "check", "--config", resolver_.folder().file("meshdns.yaml")});
    EXPECT_EQ(checked.exit_code, 1) << row.want;
    EXPECT_THAT(checked.error, HasSubstr(row.want));
    resolver_.process().signal(SIGHUP);
    ASSERT_TRUE(wait_until([&] { return resolver_.log().find(row.want) != std::string::npos; }))
        << resolver_.log();
  }
  EXPECT_EQ(address("www.corp.example"), "192.0.2.1");
}

TEST_F(Routes, AServerThatDiesIsPassedOverInItsGroupAndTheOthersAreUntouched) {
  for (const char* const policy : {"random", "round-robin", "fastest", "hedged", "sequential"}) {
    ResolverProgram resolver;
    auto first = std::make_unique<ScriptedUpstream>(always_address("192.0.2.1"));
    const ScriptedUpstream second(always_address("192.0.2.1"));
    const ScriptedUpstream other(always_address("192.0.2.9"));
    resolver.start({"--upstream", other.address().to_string(), "--upstream-group",
                    fmt::format("corp={} {} {}", policy, first->address().to_string(),
                                second.address().to_string()),
                    "--route", "corp.example=corp", "--upstream-timeout", "500ms"});
    const auto ask_for = [&](const std::string& name) {
      const auto reply = ask(resolver.dns(), {.name = name});
      return reply ? reply->answer_data("A") : std::vector<std::string>{};
    };
    for (int i = 0; i < 10; ++i) {
      EXPECT_THAT(ask_for(fmt::format("a{}.corp.example", i)), ElementsAre("192.0.2.1")) << policy;
    }
    first.reset();
    for (int i = 0; i < 10; ++i) {
      EXPECT_THAT(ask_for(fmt::format("b{}.corp.example", i)), ElementsAre("192.0.2.1")) << policy;
    }
    EXPECT_THAT(ask_for("www.example"), ElementsAre("192.0.2.9"));
    EXPECT_THAT(other.queries(), SizeIs(1)) << "a question of the group went elsewhere";
  }
}

TEST_F(Routes, AreListedByCommand) {
  auto dead = std::make_unique<ScriptedUpstream>(always_address("192.0.2.1"));
  const ScriptedUpstream good(always_address("192.0.2.1"));
  const std::string gone = dead->address().to_string();
  resolver_.start({"--upstream", gone, "--upstream", good.address().to_string(), "--upstream-group",
                   "corp=hedged tcp://" + good.address().to_string(), "--route",
                   "corp.example=corp", "--route", "ads.example=refuse", "--upstream-timeout",
                   "300ms"});
  dead.reset();
  EXPECT_EQ(address("a.example"), "192.0.2.1");
  EXPECT_EQ(address("a.corp.example"), "192.0.2.1");
  const auto list = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> argv{program_path("meshdns"), "upstream", "list"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return run_command(argv);
  };
  const CommandResult result = list({"--state-dir", resolver_.state_folder()});
  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_THAT(result.output, testing::StartsWith("GROUP    POLICY      SERVER"));
  EXPECT_THAT(result.output,
              testing::ContainsRegex("default +sequential +" + gone + " +down [0-9]+s +- +- +1 "));
  EXPECT_THAT(result.output,
              testing::ContainsRegex("default +sequential +" + good.address().to_string() +
                                     " +up +[0-9.]+[mu]s +- +1 +0 +0\n"));
  EXPECT_THAT(result.output,
              testing::ContainsRegex("corp +hedged +tcp://[0-9.:]+ +up .* 1 +0 +0\n"));
  EXPECT_THAT(result.output, HasSubstr("\n\ncorp.example = corp\nads.example = refuse\n"));
  EXPECT_THAT(list({"--admin", resolver_.admin().to_string()}).output,
              HasSubstr("ads.example = refuse\n"));
  EXPECT_EQ(list({"--state-dir", "/nowhere"}).exit_code, 2);
}

}  // namespace
}  // namespace meshdns::support
