// Names that go another way, or nowhere.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/route_table.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/resolver.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/resolver/resolve/resolver_fixture.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::dns {
namespace {

using std::chrono::seconds;
using support::JudgedMessage;
using support::MessageBytes;
using support::Octets;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const SocketAddress kCorpServer = SocketAddress::parse("192.0.2.53:53").value();
constexpr unsigned kNxDomainFlags = 0x8183;

Name name_of(const std::string& text) { return Name::from_text(text).value(); }

Octets no_such_name(const std::string& name, const std::string& zone) {
  return MessageBytes()
      .header(0x9999, kNxDomainFlags, 1, 0, 1, 0)
      .question(name, rrtype::kA)
      .record(zone, rrtype::kSoa, 300,
              Octets{0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 44})
      .bytes();
}

class ResolverRoutesTest : public ResolverFixture {
 protected:
  // The default group is kFirstServer, group 1 is kCorpServer.
  void use(const std::vector<Route>& routes) {
    auto plan = std::make_shared<ForwardPlan>();
    plan->groups.resize(2);
    plan->groups[0].servers = {{.server = {.address = kFirstServer}}};
    plan->groups[1].servers = {{.server = {.address = kCorpServer}}};
    plan->routes = RouteTable(routes);
    resolver_->set_plan(plan);
    other_->set_plan(std::move(plan));
  }
  const JudgedMessage& last() { return received_.back().message; }
  JudgedMessage ask(const std::string& name, unsigned type = rrtype::kA,
                    Transport transport = Transport::kUdp) {
    received_.clear();
    resolve_at(*resolver_, name, transport, {.edns = 1232}, type);
    EXPECT_THAT(received_, SizeIs(1)) << name;
    return received_.empty() ? JudgedMessage() : last();
  }
};

TEST_F(ResolverRoutesTest, EachNameAsksTheServersOfItsRoute) {
  make();
  use({{.suffix = name_of("corp.example"), .group = 1}});
  resolve("www.example");
  resolve("WWW.Corp.Example");
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(asked_[0].server, kFirstServer);
  EXPECT_EQ(asked_[1].server, kCorpServer);
}

TEST_F(ResolverRoutesTest, ADeadGroupIsNoReasonToAskAnother) {
  make();
  use({{.suffix = name_of("corp.example"), .group = 1}});
  resolve("www.corp.example");
  while (received_.empty()) {
    advance(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(last().rcode, rcode::kServFail);
  for (const auto& attempt : asked_) {
    EXPECT_EQ(attempt.server, kCorpServer);
  }
}

TEST_F(ResolverRoutesTest, ARefusedNameIsRefusedWithAReasonAndNobodyIsAsked) {
  make();
  use({{.suffix = name_of("ads.example"), .answer = RouteAnswer::kRefuse}});
  for (const unsigned type : {rrtype::kA, rrtype::kAaaa, rrtype::kSoa}) {
    const JudgedMessage reply = ask("x.ads.example", type);
    EXPECT_EQ(reply.rcode, rcode::kRefused);
    ASSERT_TRUE(reply.extended_error.has_value());
    EXPECT_EQ(reply.extended_error->code, extended_error::kBlocked);
    EXPECT_THAT(reply.authority, IsEmpty());
  }
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(ResolverRoutesTest, ADeniedNameIsNxDomainWithTheSoaOfTheSuffix) {
  make();
  use({{.suffix = name_of("ads.example"), .answer = RouteAnswer::kNoName}});
  for (const std::string name : {"ads.example", "X.y.Ads.example"}) {
    const JudgedMessage reply = ask(name);
    EXPECT_EQ(reply.rcode, rcode::kNxDomain);
    EXPECT_THAT(reply.question, ElementsAre(name + ". IN A"));
    EXPECT_THAT(reply.answer, IsEmpty());
    ASSERT_THAT(reply.authority, SizeIs(1));
    EXPECT_THAT(reply.authority.front(), testing::MatchesRegex("[aA]ds.example. 30 IN SOA .*"));
    EXPECT_THAT(reply.authority.front(), testing::EndsWith(" 30"));
    EXPECT_FALSE(reply.aa);
    EXPECT_TRUE(reply.ra);
    EXPECT_EQ(reply.extended_error.value().code, extended_error::kBlocked);
  }
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(ResolverRoutesTest, AaaaIsSuppressedWithoutAskingAndTheRestIsForwarded) {
  make();
  use({{.suffix = name_of("v4.example"), .answer = RouteAnswer::kNoAaaa, .group = 1}});
  const JudgedMessage reply = ask("www.v4.example", rrtype::kAaaa);
  EXPECT_EQ(reply.rcode, rcode::kNoError);
  EXPECT_THAT(reply.answer, IsEmpty());
  EXPECT_THAT(reply.authority, ElementsAre(testing::StartsWith("v4.example. 30 IN SOA ")));
  EXPECT_THAT(asked_, IsEmpty());
  resolve("www.v4.example");
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_[0].server, kCorpServer);
}

TEST_F(ResolverRoutesTest, ARouteOfTheRootAnswersEverything) {
  make();
  use({{.suffix = name_of("."), .answer = RouteAnswer::kNoName},
       {.suffix = name_of("example"), .group = 1}});
  EXPECT_EQ(ask("www.example.org").rcode, rcode::kNxDomain);
  EXPECT_EQ(ask(".").rcode, rcode::kNxDomain);
  EXPECT_THAT(last().authority, ElementsAre(testing::StartsWith(". 30 IN SOA ")));
  resolve("www.example");
  EXPECT_THAT(asked_, SizeIs(1));
}

TEST_F(ResolverRoutesTest, TheLongestNamesGetTheirDenial) {
  make();
  use({{.suffix = name_of("."), .answer = RouteAnswer::kNoName}});
  EXPECT_EQ(ask(support::longest_name()).rcode, rcode::kNxDomain);
  EXPECT_EQ(ask(support::longest_name(), rrtype::kA, Transport::kTcp).rcode, rcode::kNxDomain);
}

TEST_F(ResolverRoutesTest, AnAliasOfOursThatLeadsToADeniedNameStandsBeforeTheDenial) {
  make();
  use({{.suffix = name_of("ads.example"), .answer = RouteAnswer::kNoName}});
  Query query;
  ASSERT_EQ(parse_query(support::make_query("here.mesh", rrtype::kA), query), ParseStatus::kOk);
  query.aliases.push_back({.ttl = 30, .target = name_of("x.ads.example")});
  std::vector<std::uint8_t> buffer(kMaxMessageOctets);
  const auto found = resolver_->find_cached(query, Transport::kUdp, buffer);
  ASSERT_EQ(found.outcome, CachedAnswers::Outcome::kRouted);
  const auto reply = support::judge(std::span(buffer).first(found.size));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode, rcode::kNxDomain);  // RFC 6604: of the last name
  EXPECT_THAT(reply->answer, ElementsAre("here.mesh. 30 IN CNAME x.ads.example."));
}

// RFC 8020 speaks of one tree of names. Another route is another tree, and upstream may have routes
// of its own.
TEST_F(ResolverRoutesTest, ThatANameDoesNotExistSaysNothingOfNamesBelow) {
  make();
  use({{.suffix = name_of("corp.example"), .group = 1}});
  resolve("example");
  answer(0, no_such_name("example", "."), rcode::kNxDomain);
  ASSERT_THAT(received_, SizeIs(1));
  resolve("www.example");
  resolve("corp.example");
  resolve("www.corp.example");
  EXPECT_THAT(asked_, SizeIs(4));
  answer(2, no_such_name("corp.example", "example"), rcode::kNxDomain);
  EXPECT_EQ(ask("corp.example", rrtype::kAaaa).rcode, rcode::kNxDomain) << "of all its types";
  EXPECT_THAT(asked_, SizeIs(4));
}

TEST_F(ResolverRoutesTest, ANewPlanLeavesQuestionsInFlightWhereTheyAre) {
  make();
  use({{.suffix = name_of("corp.example"), .group = 1}});
  resolve("a.corp.example");
  use({});
  resolve("b.corp.example");
  resolve("a.corp.example");  // joins nobody who asks the old way
  ASSERT_THAT(asked_, SizeIs(3));
  EXPECT_EQ(asked_[0].server, kCorpServer);
  EXPECT_EQ(asked_[1].server, kFirstServer);
  EXPECT_EQ(asked_[2].server, kFirstServer);
  answer(0, address_reply("a.corp.example"));
  answer(1, address_reply("b.corp.example"));
  answer(2, address_reply("a.corp.example", 2));
  EXPECT_THAT(received_, SizeIs(3));
  EXPECT_THAT(ask("a.corp.example").answer, SizeIs(2)) << "what the old server said is not kept";
}

TEST_F(ResolverRoutesTest, AGroupWithoutServersIsSaidSo) {
  make();
  auto plan = std::make_shared<ForwardPlan>();
  plan->groups[0].servers = {{.server = {.address = kFirstServer}}};
  plan->groups.emplace_back();
  plan->routes = RouteTable({{.suffix = name_of("corp.example"), .group = 1}});
  resolver_->set_plan(std::move(plan));
  EXPECT_EQ(ask("corp.example").rcode, rcode::kServFail);
  resolve("www.example");
  EXPECT_THAT(asked_, SizeIs(1));
}

}  // namespace
}  // namespace meshdns::dns
