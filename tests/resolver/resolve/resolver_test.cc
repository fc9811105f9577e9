#include "resolver/resolve/resolver.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/metrics.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/upstream.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/metrics.h"
#include "resolver/resolve/shared_question.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/resolver/resolve/resolver_fixture.h"
#include "tests/support/dns_message.h"
#include "tests/support/forward_plan.h"
#include "tests/support/ldns_judge.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recording_upstream.h"

namespace meshdns::dns {
namespace {

using support::JudgedMessage;
using support::MessageBytes;
using support::Octets;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Without a cache: each question goes upstream.
class ResolverTest : public ResolverFixture {
 protected:
  ResolverTest() { cache_options_.max_octets = 0; }
};

TEST_F(ResolverTest, GivesTheClientItsOwnFormOfTheReply) {
  make();
  resolve("WwW.example.org", Transport::kUdp, {.id = 0x4711, .flags = 0x0110});
  EXPECT_EQ(resolver_->in_flight(), 1U);
  clock_.advance(std::chrono::milliseconds(7));
  answer(0, address_reply("www.example.org"));
  ASSERT_THAT(received_, SizeIs(1));
  const JudgedMessage& message = received_[0].message;
  EXPECT_EQ(message.id, 0x4711);
  EXPECT_TRUE(message.qr && message.rd && message.ra && message.cd);
  EXPECT_FALSE(message.aa || message.ad || message.edns);
  EXPECT_THAT(message.question, ElementsAre("WwW.example.org. IN A"));
  EXPECT_THAT(message.answer, ElementsAre("WwW.example.org. 60 IN A 192.0.0.0"));
  EXPECT_EQ(received_[0].elapsed, std::chrono::milliseconds(7));
  EXPECT_EQ(resolver_->in_flight(), 0U);
  EXPECT_EQ(limits_->in_flight(), 0U);
}

TEST_F(ResolverTest, TruncatesForUdpAndNotForTcp) {
  make();
  resolve("www.example.org");
  resolve("www.example.org", Transport::kUdp, {.edns = 4096});
  resolve("www.example.org", Transport::kTcp);
  answer(0, address_reply("www.example.org", 100));
  ASSERT_THAT(received_, SizeIs(3));
  EXPECT_TRUE(received_[0].message.tc);
  EXPECT_LE(received_[0].size, 512U);
  EXPECT_TRUE(received_[1].message.tc);
  EXPECT_LE(received_[1].size, 1232U);
  EXPECT_FALSE(received_[2].message.tc);
  EXPECT_THAT(received_[2].message.answer, SizeIs(100));
}

TEST_F(ResolverTest, PassesTheRcodeOfAFailingUpstream) {
  make();
  resolve("www.example.org");
  const auto refused =
      MessageBytes().header(1, 0x8185, 1, 0, 0, 0).question("www.example.org", rrtype::kA).bytes();
  answer(0, refused, rcode::kRefused);
  answer(1, refused, rcode::kRefused);
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].message.rcode, rcode::kRefused);
  EXPECT_EQ(received_[0].rcode, rcode::kRefused);
}

struct FailureCase {
  std::string name;
  bool second_unreachable;
};
class ResolverFailure : public ResolverTest, public ::testing::WithParamInterface<FailureCase> {};

TEST_P(ResolverFailure, IsServFailWithItsReason) {
  make();
  resolve("www.example.org", Transport::kUdp, {.edns = 1232});
  advance(std::chrono::milliseconds(1500));
  if (GetParam().second_unreachable) {
    asked_.back().end({AttemptStatus::kNetworkError, 0, {}});
  }
  advance(std::chrono::seconds(4));
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].message.rcode, rcode::kServFail);
  EXPECT_EQ(received_[0].message.extended_error.value().code,
            extended_error::kNoReachableAuthority);
}

INSTANTIATE_TEST_SUITE_P(Cases, ResolverFailure,
                         ::testing::Values(FailureCase{"Silent", false},
                                           FailureCase{"SilentThenUnreachable", true}),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(ResolverTest, SaysSoWhenNoServerCanBeReached) {
  make();
  resolve("www.example.org", Transport::kUdp, {.edns = 1232});
  asked_.at(0).end({AttemptStatus::kNetworkError, 0, {}});
  asked_.at(1).end({AttemptStatus::kNetworkError, 0, {}});
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].message.extended_error.value().code, extended_error::kNetworkError);
}

TEST_F(ResolverTest, AnswersServFailWhenTheReplyIsForAnotherQuestion) {
  make();
  resolve("www.example.org");
  answer(0, address_reply("other.example.org"));
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].message.rcode, rcode::kServFail);
  EXPECT_THAT(received_[0].message.answer, IsEmpty());
}

TEST_F(ResolverTest, WithoutServersAnswersAtOnce) {
  make();
  resolver_->set_plan(support::plan_of({}));
  EXPECT_EQ(resolve("www.example.org", Transport::kUdp, {.edns = 1232}), 0U);
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].message.rcode, rcode::kServFail);
  EXPECT_EQ(received_[0].message.extended_error.value().text, "no upstream server is configured");
}

TEST_F(ResolverTest, OverTheLimitAnswersAtOnceAndAsksNobody) {
  make({.total = 100, .per_client = 2});
  resolve("a.example.org");
  resolve("b.example.org");
  EXPECT_EQ(resolve("c.example.org"), 0U);
  EXPECT_THAT(asked_, SizeIs(2));
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].message.rcode, rcode::kServFail);
  answer(0, address_reply("a.example.org"));
  EXPECT_NE(resolve("c.example.org"), 0U);
}

TEST_F(ResolverTest, CancelledQuestionsCountUntilTheServerIsDone) {
  make({.total = 1, .per_client = 1});
  const QuestionId question = resolve("a.example.org");
  resolver_->cancel(question);
  resolve("b.example.org");
  EXPECT_THAT(received_, SizeIs(1)) << "refused: the first still counts";
  advance(std::chrono::milliseconds(400));
  EXPECT_THAT(asked_, SizeIs(1)) << "nobody is asked for nobody";
  EXPECT_THAT(received_, SizeIs(1));
  EXPECT_EQ(limits_->in_flight(), 0U);
  EXPECT_NE(resolve("b.example.org"), 0U);
}

TEST_F(ResolverTest, ACancelledQuestionsReplyReachesNobody) {
  make();
  resolver_->cancel(resolve("a.example.org"));
  answer(0, address_reply("a.example.org"));
  EXPECT_THAT(received_, IsEmpty());
  resolver_->cancel(12345);  // never was
}

TEST_F(ResolverTest, OpenQuestionsFinishWithTheServersTheyBeganWith) {
  make();
  resolve("a.example.org");
  const SocketAddress other = SocketAddress::parse("192.0.2.9:53").value();
  resolver_->set_plan(support::plan_of({other}));
  resolve("b.example.org");
  asked_.at(0).end({AttemptStatus::kNetworkError, 0, {}});
  EXPECT_EQ(asked_.at(1).server, other);
  EXPECT_EQ(asked_.at(2).server, kSecondServer);
  answer(2, address_reply("a.example.org"));
  resolver_->set_plan(support::plan_of({kFirstServer}));
  answer(1, address_reply("b.example.org"));
  EXPECT_THAT(received_, SizeIs(2));
}

TEST_F(ResolverTest, GoingAwayDropsOpenQuestionsAndFreesTheirPlaces) {
  make();
  resolve("a.example.org");
  resolve("b.example.org");
  asked_.clear();  // the fake would call back otherwise; a real upstream drops its attempts itself
  resolver_.reset();
  EXPECT_THAT(received_, IsEmpty());
  EXPECT_EQ(limits_->in_flight(), 0U);
}

TEST_F(ResolverTest, AsksOnceForEqualQuestionsOfAllWorkers) {
  make();
  resolve("www.example.org", Transport::kUdp, {.id = 1});
  resolve("WWW.example.ORG", Transport::kUdp, {.id = 2, .edns = 1232});
  resolve_at(*other_, "wWw.example.org", Transport::kTcp, {.id = 3});
  resolve_at(*other_, "www.example.org", Transport::kUdp, {.id = 4});
  EXPECT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(limits_->in_flight(), 4U);
  EXPECT_EQ(metrics_.joined.value(), 3U);
  answer(0, address_reply("www.example.org"));
  EXPECT_THAT(received_, SizeIs(2)) << "the other worker's are its own to answer";
  run_posted();
  ASSERT_THAT(received_, SizeIs(4));
  EXPECT_THAT(received_[0].message.question, ElementsAre("www.example.org. IN A"));
  EXPECT_THAT(received_[1].message.question, ElementsAre("WWW.example.ORG. IN A"));
  EXPECT_THAT(received_[2].message.question, ElementsAre("wWw.example.org. IN A"));
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(received_[i].message.id, i + 1);
    EXPECT_EQ(received_[i].message.edns, i == 1);
    EXPECT_THAT(received_[i].message.answer, SizeIs(1));
  }
  EXPECT_EQ(limits_->in_flight(), 0U);
  EXPECT_EQ(resolver_->in_flight() + other_->in_flight(), 0U);
}

TEST_F(ResolverTest, AsksApartWhatMayBeAnsweredDifferently) {
  make();
  resolve("www.example.org");
  resolve_at(*resolver_, "www.example.org", Transport::kUdp, {}, rrtype::kTxt);
  resolve("www.example.org", Transport::kUdp, {.qclass = rrclass::kChaos});
  resolve("www.example.org", Transport::kUdp, {.edns = 1232, .dnssec_ok = true});
  resolve("www.example.org", Transport::kUdp, {.flags = 0x0110});
  resolve("www.example.net");
  EXPECT_THAT(asked_, SizeIs(6));
}

TEST_F(ResolverTest, SendsNothingOfAClientsButItsQuestion) {
  make();
  resolve("WWW.example.org", Transport::kUdp, {.id = 7, .flags = 0x0130, .edns = 512});
  const Query& sent = *asked_.at(0).query;
  EXPECT_EQ(sent.flags, flag::kRecursionDesired | flag::kCheckingDisabled) << "not its AD";
  EXPECT_THAT(sent.question_name().to_text(), "www.example.org.");
  EXPECT_EQ(sent.id, 0);
}

TEST_F(ResolverTest, AnswersThoseWhoStayWhenTheFirstAskerHasGone) {
  make();
  const QuestionId first = resolve("www.example.org");
  resolve_at(*other_, "www.example.org");
  resolver_->cancel(first);
  asked_.at(0).end({AttemptStatus::kNetworkError, 0, {}});
  ASSERT_THAT(asked_, SizeIs(2)) << "the second server is asked for the one who stays";
  answer(1, address_reply("www.example.org"));
  run_posted();
  EXPECT_THAT(received_, SizeIs(1));
  EXPECT_EQ(limits_->in_flight(), 0U);
}

TEST_F(ResolverTest, WhoComesAfterEverybodyLeftIsStillAnswered) {
  make();
  resolver_->cancel(resolve("www.example.org"));
  resolve_at(*other_, "www.example.org");
  EXPECT_THAT(asked_, SizeIs(1)) << "clients who come and go do not multiply questions";
  answer(0, address_reply("www.example.org"));
  run_posted();
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_THAT(received_[0].message.answer, SizeIs(1));
}

TEST_F(ResolverTest, DoesNotJoinAQuestionToServersThatWereGivenUp) {
  make();
  resolve("www.example.org");
  resolver_->set_plan(support::plan_of({kSecondServer}));
  resolve("www.example.org");
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(asked_.at(1).server, kSecondServer);
}

TEST_F(ResolverTest, AQuestionAskedFromWithinAReplyIsAnotherOne) {
  make();
  Query query;
  ASSERT_EQ(parse_query(support::make_query("www.example.org", rrtype::kA), query),
            ParseStatus::kOk);
  resolver_->resolve(query, Transport::kUdp, kClient, CachedAnswers::Outcome::kNothing,
                     [this](const ResolvedReply&) { resolve("www.example.org"); });
  answer(0, address_reply("www.example.org"));
  EXPECT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(resolver_->in_flight(), 1U);
}

TEST_F(ResolverTest, FailureReachesEverybodyWhoWaits) {
  make();
  resolve("www.example.org", Transport::kUdp, {.edns = 1232});
  resolve_at(*other_, "www.example.org", Transport::kUdp, {.edns = 1232});
  asked_.at(0).end({AttemptStatus::kNetworkError, 0, {}});
  asked_.at(1).end({AttemptStatus::kNetworkError, 0, {}});
  run_posted();
  ASSERT_THAT(received_, SizeIs(2));
  for (const Received& each : received_) {
    EXPECT_EQ(each.message.rcode, rcode::kServFail);
    EXPECT_EQ(each.message.extended_error.value().code, extended_error::kNetworkError);
  }
}

TEST_F(ResolverTest, AWorkerMayGoWhileOthersWaitForItAndItForOthers) {
  make();
  resolve("a.example.org");
  resolve_at(*other_, "a.example.org");
  resolve_at(*other_, "b.example.org");
  resolve("b.example.org");
  asked_.at(0).done = {};  // a real upstream drops its attempts when it goes
  resolver_.reset();
  answer(1, address_reply("b.example.org"));
  EXPECT_THAT(received_, SizeIs(1));
  asked_.clear();
  other_.reset();
  run_posted();
  EXPECT_THAT(received_, SizeIs(1));
  EXPECT_EQ(limits_->in_flight(), 0U);
}

// Our question comes back to us from the server that we asked: it waits for itself.
class ResolverLoop : public ResolverTest {
 protected:
  void make_loop(const std::vector<SocketAddress>& servers) {
    make();
    resolver_->set_plan(support::plan_of(servers));
    resolve("www.example.org", Transport::kUdp, {.edns = 1232});
    resolve("www.example.org");               // as the server would ask
    advance(std::chrono::milliseconds(400));  // not answered, so looked into and asked once more
    ASSERT_THAT(asked_, SizeIs(3));
  }
  [[nodiscard]] std::string probe_name(std::size_t attempt = 1) const {
    return asked_.at(attempt).query->question_name().to_text();
  }
  // A probe goes round: it comes in as a question, and what we say goes back the way it came.
  void send_round(std::size_t attempt) {
    EXPECT_EQ(resolve(probe_name(attempt), Transport::kUdp, {.edns = 1232}), 0U);
    answer(attempt, {}, rcode::kServFail);
  }
};

TEST_F(ResolverLoop, IsFoundByTwoNamesThatComeBackAndEndsTheQuestion) {
  make_loop({kFirstServer});
  EXPECT_THAT(probe_name(), ::testing::MatchesRegex("meshdns-loop-[0-9a-f]+.www.example.org."));
  send_round(1);
  ASSERT_THAT(received_, SizeIs(1)) << "the probe is answered at once";
  EXPECT_EQ(received_[0].message.rcode, rcode::kServFail);
  ASSERT_THAT(asked_, SizeIs(4));
  EXPECT_THAT(probe_name(3), ::testing::MatchesRegex("meshdns-loop-[0-9a-f]+.meshdns-loop."));
  send_round(3);
  ASSERT_THAT(received_, SizeIs(4));
  EXPECT_EQ(received_[2].message.rcode, rcode::kServFail);
  EXPECT_EQ(received_[2].message.extended_error.value().text,
            "the upstream server leads back to this resolver");
  EXPECT_EQ(forward_metrics_.upstream({.address = kFirstServer}).loops.value(), 1U);
}

TEST_F(ResolverLoop, TakesThatServerAloneOutForAWhile) {
  make_loop({kFirstServer, kSecondServer});
  send_round(1);
  send_round(3);
  ASSERT_THAT(asked_, SizeIs(5));
  EXPECT_EQ(asked_.at(4).server, kSecondServer);
  resolve("other.example.org");
  EXPECT_EQ(asked_.at(5).server, kSecondServer);
  clock_.advance(ServerHealth::kLoopHold);
  resolve("third.example.org");
  EXPECT_EQ(asked_.at(6).server, kFirstServer);
}

TEST_F(ResolverLoop, WithNoOtherServerIsAnsweredAtOnceMeanwhile) {
  make_loop({kFirstServer});
  send_round(1);
  send_round(3);
  const auto before = received_.size();
  EXPECT_EQ(resolve("other.example.org"), 0U);
  EXPECT_THAT(received_, SizeIs(before + 1));
  EXPECT_THAT(asked_, SizeIs(4));
}

// Whoever serves the domain that is asked for sees the probe's name, and may have a web page ask us
// for it.
TEST_F(ResolverLoop, ThatAStrangerFeignsEndsItsQuestionAndHoldsNoServer) {
  make_loop({kFirstServer});
  send_round(1);
  answer(3, address_reply(probe_name(3)));  // of the second nobody but the server has heard
  EXPECT_THAT(received_, SizeIs(3));
  EXPECT_EQ(forward_metrics_.upstream({.address = kFirstServer}).loops.value(), 0U);
  asked_.clear();
  resolve("other.example.org");
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_.at(0).server, kFirstServer);
}

TEST_F(ResolverLoop, IsNotSuspectedTwiceASecond) {
  make_loop({kFirstServer});
  resolve("b.example.org");
  resolve("b.example.org");
  advance(std::chrono::milliseconds(400));
  for (std::size_t i = 3; i < asked_.size(); ++i) {
    EXPECT_THAT(asked_[i].query->question_name().to_text(),
                ::testing::AnyOf("b.example.org.", "www.example.org."));
  }
}

TEST_F(ResolverLoop, AProbeThatDoesNotComeBackChangesNothing) {
  make_loop({kFirstServer});
  const std::string probe = probe_name();
  asked_.at(1).end({AttemptStatus::kTimeout, 0, {}});
  answer(2, address_reply("www.example.org"));
  EXPECT_THAT(received_, SizeIs(2));
  EXPECT_NE(resolve(probe), 0U) << "it is over, and a question like any other";
}

TEST_F(ResolverLoop, AGuessedProbeIsAQuestionLikeAnyOther) {
  make_loop({kFirstServer});
  EXPECT_NE(resolve("meshdns-loop-0123456789abcdef0123456789abcdef.www.example.org"), 0U);
}

TEST_F(ResolverTest, AClientWhoCannotBeToldKeepsNobodyElseFromTheReply) {
  make();
  Query query;
  ASSERT_EQ(parse_query(support::make_query("www.example.org", rrtype::kA), query),
            ParseStatus::kOk);
  for (Resolver* const worker : {resolver_.get(), other_.get()}) {
    worker->resolve(query, Transport::kUdp, kClient, CachedAnswers::Outcome::kNothing,
                    [](const ResolvedReply& /*reply*/) { throw std::bad_alloc(); });
    resolve_at(*worker, "www.example.org");
  }
  EXPECT_THROW(answer(0, address_reply("www.example.org")), std::bad_alloc);
  EXPECT_THAT(received_, SizeIs(1));
  EXPECT_THROW(run_posted(), std::bad_alloc);
  EXPECT_THAT(received_, SizeIs(2));
  EXPECT_EQ(resolver_->in_flight() + other_->in_flight(), 0U);
  EXPECT_EQ(limits_->in_flight(), 0U);
}

}  // namespace
}  // namespace meshdns::dns
