#include "resolver/app/upstream_selection.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/app/route_text.h"
#include "resolver/app/upstream_text.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/route_table.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/name.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<SocketAddress> sockets(const std::vector<std::string>& texts) {
  std::vector<SocketAddress> addresses;
  std::ranges::transform(texts, std::back_inserter(addresses), [](const std::string& text) {
    return SocketAddress::parse(text, 53).value();
  });
  return addresses;
}

std::vector<UpstreamServer> servers(const std::vector<std::string>& texts) {
  return plain_servers(sockets(texts));
}

std::vector<std::string> texts(const std::vector<UpstreamServer>& servers) {
  std::vector<std::string> result;
  std::ranges::transform(servers, std::back_inserter(result), &UpstreamServer::label);
  return result;
}

class UpstreamSelectionTest : public testing::Test {
 protected:
  UpstreamSelectionTest() { config_.upstreams.resolv_conf = folder_.file("resolv.conf"); }

  [[nodiscard]] Result<UpstreamSelection> select(const std::vector<std::string>& listening) {
    return select_upstreams(config_, files_, sockets(listening), host_);
  }
  [[nodiscard]] UpstreamSelection written_and_read(const UpstreamSelection& selection) const {
    return select_by_resolv_conf(config_, to_resolv_conf(selection), sockets({"127.0.0.1:53"}),
                                 host_);
  }
  void resolv_conf(const std::string& text) const { folder_.write("resolv.conf", text); }

  support::TemporaryDirectory folder_;
  PosixFileSystem files_;
  Config config_;
  // A host with one address of each family beside loopback.
  std::vector<IpAddress> host_{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("192.0.2.5"),
                               *IpAddress::parse("2001:db8::5")};
};

TEST_F(UpstreamSelectionTest, AsksTheConfiguredServersInTheirOrderAndNotResolvConf) {
  resolv_conf("nameserver 192.0.2.99\n");
  config_.upstreams.servers = servers({"192.0.2.2", "192.0.2.1:5353"});
  const auto selection = select({"127.0.0.1:53"});
  ASSERT_TRUE(selection);
  EXPECT_THAT(texts(selection->servers), ElementsAre("192.0.2.2:53", "192.0.2.1:5353"));
  EXPECT_THAT(selection->warnings, IsEmpty());
  EXPECT_EQ(selection->refused, 0U);
}

// Each row: what we listen on, and a server that is ourselves there, or is not.
TEST_F(UpstreamSelectionTest, KnowsItsOwnAddresses) {
  struct Case {
    std::string listen;
    std::string server;
    bool own;
  };
  const std::vector<Case> cases{
      {"127.0.0.1:53", "127.0.0.1:53", true},
      {"127.0.0.1:53", "127.0.0.1:5353", false},
      {"127.0.0.1:53", "127.0.0.53:53", false},
      {"127.0.0.1:53", "[::1]:53", false},
      {"127.0.0.1:53", "[::ffff:127.0.0.1]:53", true},
      {"192.0.2.5:53", "192.0.2.5:53", true},
      {"192.0.2.5:53", "127.0.0.1:53", false},
      {"0.0.0.0:53", "127.0.0.1:53", true},
      {"0.0.0.0:53", "127.0.0.53:53", true},
      {"0.0.0.0:53", "192.0.2.5:53", true},
      {"0.0.0.0:53", "[::ffff:192.0.2.5]:53", true},
      {"0.0.0.0:53", "192.0.2.6:53", false},
      {"0.0.0.0:53", "192.0.2.5:54", false},
      {"0.0.0.0:53", "[::1]:53", false},
      {"[::]:53", "[::1]:53", true},
      {"[::]:53", "[2001:db8::5]:53", true},
      {"[::]:53", "[2001:db8::6]:53", false},
      {"[::]:53", "192.0.2.5:53", false},
  };
  for (const Case& row : cases) {
    config_.upstreams.servers = servers({row.server});
    const auto selection = select({"198.51.100.1:1", row.listen});
    EXPECT_EQ(selection.has_value(), !row.own) << row.server << " behind " << row.listen;
    if (!selection) {
      EXPECT_EQ(selection.error().code, ErrorCode::kInvalidArgument);
      EXPECT_THAT(selection.error().message,
                  testing::AllOf(testing::StartsWith("upstreams.servers: "),
                                 HasSubstr("is this resolver itself"), HasSubstr(row.listen)));
    }
  }
}

TEST_F(UpstreamSelectionTest, NamesEachConfiguredServerThatIsOurs) {
  config_.upstreams.servers = servers({"127.0.0.1", "192.0.2.1", "192.0.2.5"});
  const auto selection = select({"0.0.0.0:53"});
  ASSERT_FALSE(selection);
  EXPECT_THAT(selection.error().message, HasSubstr("127.0.0.1:53, 192.0.2.5:53 is this resolver"));
}

TEST_F(UpstreamSelectionTest, LeavesOurselvesOutOfResolvConf) {
  resolv_conf("nameserver 127.0.0.1\nnameserver 192.0.2.1\n");
  const auto selection = select({"127.0.0.1:53"});
  ASSERT_TRUE(selection);
  EXPECT_THAT(texts(selection->servers), ElementsAre("192.0.2.1:53"));
  EXPECT_EQ(selection->refused, 1U);
  EXPECT_THAT(
      selection->warnings,
      ElementsAre(testing::EndsWith("127.0.0.1:53 is this resolver itself and is not asked")));
}

TEST_F(UpstreamSelectionTest, SaysWhatToDoWhenResolvConfNamesUsAlone) {
  resolv_conf("nameserver 127.0.0.1\n");
  const auto selection = select({"127.0.0.1:53"});
  ASSERT_TRUE(selection) << "the mesh's names are answered";
  EXPECT_THAT(selection->servers, IsEmpty());
  EXPECT_EQ(selection->refused, 1U);
  EXPECT_THAT(selection->warnings, ElementsAre(HasSubstr("; set upstreams.servers")));
}

TEST_F(UpstreamSelectionTest, WarnsOfAResolvConfThatNamesNobody) {
  struct Case {
    std::string text;
    std::string want;
  };
  const std::vector<Case> cases{
      {"", "names no server"},
      {"# nothing\nsearch example.org\n", "names no server"},
      {"nameserver\nnameserver 1.2.3\n", "names no usable server: line 1: "},
  };
  for (const Case& row : cases) {
    resolv_conf(row.text);
    const auto selection = select({"127.0.0.1:53"});
    ASSERT_TRUE(selection) << row.text;
    EXPECT_THAT(selection->servers, IsEmpty()) << "never 127.0.0.1";
    EXPECT_THAT(selection->warnings, ElementsAre(HasSubstr(row.want)));
  }
}

TEST_F(UpstreamSelectionTest, WarnsOfAResolvConfThatIsMissing) {
  const auto selection = select({"127.0.0.1:53"});
  ASSERT_TRUE(selection);
  EXPECT_THAT(selection->servers, IsEmpty());
  EXPECT_EQ(selection->refused, 0U);
  EXPECT_THAT(selection->warnings, ElementsAre(HasSubstr("resolv.conf: No such file")));
}

// What root is never told, and everybody else is.
TEST_F(UpstreamSelectionTest, KeepsTheServersOfAResolvConfThatCannotBeReadAndSaysWhich) {
  resolv_conf("nameserver 192.0.2.1\noptions rotate timeout:1 use-vc\n");
  const auto before = select({"127.0.0.1:53"});
  ASSERT_TRUE(before);
  support::FaultyFileSystem files;
  for (const support::FileStep step : {support::FileStep::kOpen, support::FileStep::kRead}) {
    files.set_fault([step](support::FileStep each, std::uint64_t /*index*/) {
      return each == step ? EACCES : 0;
    });
    const auto listening = sockets({"127.0.0.1"});
    const auto now = select_upstreams(config_, files, listening, host_);
    ASSERT_TRUE(now);
    EXPECT_THAT(now->servers, IsEmpty());
    const UpstreamSelection kept = keep_servers(*now, *before, listening, host_);
    EXPECT_TRUE(kept.asks_as(*before));
    EXPECT_THAT(kept.warnings,
                ElementsAre(testing::AllOf(HasSubstr(config_.upstreams.resolv_conf + ": "),
                                           HasSubstr("Permission denied")),
                            HasSubstr("tcp://192.0.2.1:53 is asked, as before")));
  }
}

TEST_F(UpstreamSelectionTest, AsksTheServersOfResolvConfAsItsOptionsSay) {
  struct Case {
    std::string options;
    DefaultManners manners;
    std::string server = "192.0.2.1:53";
  };
  const DefaultManners plain;
  const std::vector<Case> cases{
      {"", plain},
      {"edns0 ndots:5 attempts:1 single-request single-request-reopen inet6 unheard-of", plain},
      {"rotate", {.policy = ForwardPolicy::kRoundRobin}},
      {"timeout:1", {.longest_turn = std::chrono::seconds(1)}},
      {"no-aaaa", {.no_aaaa = true}},
      {"trust-ad", {.trusts_ad = true}},
      {"use-vc", plain, "tcp://192.0.2.1:53"},
  };
  for (const Case& row : cases) {
    resolv_conf("nameserver 192.0.2.1\noptions " + row.options + "\n");
    const auto selection = select({"127.0.0.1:53"});
    ASSERT_TRUE(selection);
    EXPECT_EQ(selection->manners, row.manners) << row.options;
    EXPECT_THAT(texts(selection->servers), ElementsAre(row.server)) << row.options;
    EXPECT_THAT(selection->warnings, IsEmpty()) << row.options;
    EXPECT_TRUE(written_and_read(*selection).asks_as(*selection)) << row.options;
    const auto plan = make_plan(*selection);
    ASSERT_TRUE(plan);
    const ServerGroup& group = (*plan)->groups.at(0);
    EXPECT_EQ(group.policy, row.manners.policy);
    EXPECT_EQ(group.longest_turn, row.manners.longest_turn);
    EXPECT_EQ(group.trusts_ad, row.manners.trusts_ad);
    EXPECT_EQ((*plan)->routes.find(*Name::from_text("www.example.org")).answer,
              row.manners.no_aaaa ? RouteAnswer::kNoAaaa : RouteAnswer::kForward);
  }
}

// They say nothing of servers that are configured here.
TEST_F(UpstreamSelectionTest, TakesNoOptionsOfAResolvConfThatIsNotUsed) {
  resolv_conf("nameserver 192.0.2.99\noptions rotate use-vc no-aaaa timeout:1\n");
  config_.upstreams.servers = servers({"192.0.2.1"});
  EXPECT_EQ(select({"127.0.0.1:53"}).value().manners, DefaultManners());
}

TEST_F(UpstreamSelectionTest, LetsRoutesDecideOverNoAaaa) {
  resolv_conf("nameserver 192.0.2.1\noptions no-aaaa\n");
  config_.upstreams.groups = {*parse_group("corp = 192.0.2.2")};
  config_.upstreams.routes = {*parse_route("corp.example = corp")};
  auto selection = select({"127.0.0.1:53"});
  ASSERT_TRUE(selection);
  const auto answer = [&](const std::string& name) {
    return make_plan(*selection).value()->routes.find(*Name::from_text(name)).answer;
  };
  EXPECT_EQ(answer("www.example"), RouteAnswer::kNoAaaa);
  EXPECT_EQ(answer("www.corp.example"), RouteAnswer::kForward);
  selection->routes.push_back(*parse_route(". = corp"));
  EXPECT_EQ(answer("www.example"), RouteAnswer::kForward);
}

TEST_F(UpstreamSelectionTest, PassesOnWhatResolvConfHasWrongBesides) {
  resolv_conf("nameserver 192.0.2.1\nnameservre 192.0.2.2\n");
  const auto selection = select({"127.0.0.1:53"});
  ASSERT_TRUE(selection);
  EXPECT_THAT(texts(selection->servers), ElementsAre("192.0.2.1:53"));
  EXPECT_THAT(selection->warnings,
              ElementsAre(HasSubstr("resolv.conf: line 2: unknown keyword 'nameservre'")));
}

TEST_F(UpstreamSelectionTest, KeepsTheServersThatResolvConfNamedBefore) {
  UpstreamSelection before;
  before.servers = servers({"192.0.2.1", "192.0.2.2"});
  UpstreamSelection empty;
  empty.warnings = {"resolv.conf names no server"};
  const UpstreamSelection kept = keep_servers(empty, before, sockets({"127.0.0.1"}), host_);
  EXPECT_EQ(kept.servers, before.servers);
  EXPECT_THAT(kept.warnings, ElementsAre("resolv.conf names no server",
                                         "until the next start 192.0.2.1:53, 192.0.2.2:53 is "
                                         "asked, as before"));
  // Seen again it is the same, and so no news.
  EXPECT_EQ(keep_servers(empty, kept, sockets({"127.0.0.1"}), host_), kept);
}

TEST_F(UpstreamSelectionTest, WritesServersSoThatTheyAreReadAsTheyAre) {
  UpstreamSelection selection;
  selection.servers =
      servers({"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "fe80::1%1"});
  EXPECT_EQ(written_and_read(selection), selection);
  EXPECT_EQ(to_resolv_conf({}), "");
}

TEST_F(UpstreamSelectionTest, DoesNotReadAServerThatIsOurselvesByNow) {
  UpstreamSelection selection;
  selection.servers = servers({"192.0.2.5", "192.0.2.1"});
  host_ = {IpAddress::parse("192.0.2.5").value()};
  const auto read =
      select_by_resolv_conf(config_, to_resolv_conf(selection), sockets({"0.0.0.0:53"}), host_);
  EXPECT_EQ(read.servers, servers({"192.0.2.1"}));
}

TEST_F(UpstreamSelectionTest, BelievesAResolvConfThatNamesServers) {
  UpstreamSelection before;
  before.servers = servers({"192.0.2.1"});
  UpstreamSelection now;
  now.servers = servers({"192.0.2.9"});
  EXPECT_EQ(keep_servers(now, before, sockets({"127.0.0.1"}), host_), now);
}

TEST_F(UpstreamSelectionTest, DoesNotKeepAServerThatIsOurselvesByNow) {
  UpstreamSelection before;
  before.servers = servers({"192.0.2.5", "192.0.2.1"});
  const auto listening = sockets({"0.0.0.0"});
  EXPECT_EQ(keep_servers({}, before, listening, host_).servers, servers({"192.0.2.1"}));
  before.servers = servers({"192.0.2.5"});
  EXPECT_EQ(keep_servers({}, before, listening, host_), UpstreamSelection());
}

TEST_F(UpstreamSelectionTest, TellsAServerOverTlsFromOneThatMayBeAskedInPlain) {
  config_.upstreams.servers = {*parse_upstream_server("tls://192.0.2.1#dns.example.org"),
                               *parse_upstream_server("192.0.2.2")};
  const auto selection = select({"127.0.0.1:53"});
  ASSERT_TRUE(selection);
  EXPECT_THAT(texts(selection->servers),
              ElementsAre("tls://192.0.2.1:853#dns.example.org", "192.0.2.2:53"));
  EXPECT_EQ(selection->servers_without_tls(), plain_servers(sockets({"192.0.2.2"})));
}

TEST_F(UpstreamSelectionTest, KnowsItselfInAGroup) {
  config_.upstreams.servers = servers({"192.0.2.1"});
  config_.upstreams.groups = {*parse_group("corp = random 127.0.0.1 192.0.2.9")};
  const auto selection = select({"127.0.0.1:53"});
  ASSERT_FALSE(selection);
  EXPECT_THAT(selection.error().message,
              testing::StartsWith("upstreams.groups: 127.0.0.1:53 is this resolver itself"));
  // Found out while running, it is left out, and the others are asked on.
  const UpstreamSelection left = select_configured(config_, sockets({"127.0.0.1:53"}), host_);
  EXPECT_THAT(texts(left.servers), ElementsAre("192.0.2.1:53"));
  EXPECT_THAT(texts(left.groups.at(0).servers), ElementsAre("192.0.2.9:53"));
  EXPECT_EQ(left.refused, 1U);
}

TEST_F(UpstreamSelectionTest, MakesAPlanWhoseRoutesLeadToTheirGroups) {
  UpstreamSelection selection;
  selection.servers = servers({"192.0.2.1"});
  selection.groups = {*parse_group("corp = hedged 192.0.2.2 192.0.2.3"),
                      *parse_group("lab = 192.0.2.4")};
  for (const char* const text : {"corp.example = corp", "v4.corp.example = no-aaaa",
                                 "v4.example = no-aaaa", "lab.corp.example = no-aaaa lab",
                                 "ads.corp.example = refuse", "out.corp.example = default"}) {
    selection.routes.push_back(*parse_route(text));
  }
  const auto plan = make_plan(selection);
  ASSERT_TRUE(plan);
  ASSERT_EQ((*plan)->groups.size(), 3U);
  EXPECT_EQ((*plan)->groups[1].policy, ForwardPolicy::kHedged);
  EXPECT_EQ((*plan)->groups[1].servers.size(), 2U);
  struct Case {
    std::string name;
    RouteAnswer answer;
    std::size_t group;
  };
  const std::vector<Case> cases{{"www.example.org", RouteAnswer::kForward, 0},
                                {"a.corp.example", RouteAnswer::kForward, 1},
                                {"a.v4.corp.example", RouteAnswer::kNoAaaa, 1},
                                {"v4.example", RouteAnswer::kNoAaaa, 0},
                                {"a.lab.corp.example", RouteAnswer::kNoAaaa, 2},
                                {"ads.corp.example", RouteAnswer::kRefuse, 1},
                                {"x.out.corp.example", RouteAnswer::kForward, 0}};
  for (const Case& row : cases) {
    const RouteTable::Match match = (*plan)->routes.find(*Name::from_text(row.name));
    EXPECT_EQ(match.answer, row.answer) << row.name;
    EXPECT_EQ(match.group, row.group) << row.name;
  }
}

TEST_F(UpstreamSelectionTest, KnowsItselfOverTcpToo) {
  config_.upstreams.servers = {*parse_upstream_server("tcp://127.0.0.1")};
  EXPECT_FALSE(select({"127.0.0.1:53"}));
}

TEST_F(UpstreamSelectionTest, MakesNoPlanWithAFileOfAuthoritiesThatCannotBeUsed) {
  const std::string server = "tls://192.0.2.1#dns.example.org;ca=";
  const auto missing = make_plan({.servers = {*parse_upstream_server(server + "/nowhere.pem")}});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message,
              testing::AllOf(testing::StartsWith("upstreams: tls://192.0.2.1:853#"),
                             HasSubstr("/nowhere.pem")));
  folder_.write("ca.pem", "no certificate\n");
  EXPECT_FALSE(make_plan({.servers = {*parse_upstream_server(server + folder_.file("ca.pem"))}}));
}

}  // namespace
}  // namespace meshdns::dns
