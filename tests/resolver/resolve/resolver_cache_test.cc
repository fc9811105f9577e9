// What clients get of answers that are kept, and when upstream is asked all the same.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/forward/upstream.h"
#include "resolver/resolve/shared_question.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/transport.h"
#include "tests/resolver/resolve/resolver_fixture.h"
#include "tests/support/dns_message.h"
#include "tests/support/forward_plan.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using support::JudgedMessage;
using support::MessageBytes;
using support::Octets;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr unsigned kServFailFlags = 0x8182;

Octets failure_reply(const std::string& name, unsigned flags = kServFailFlags) {
  return MessageBytes().header(0x9999, flags, 1, 0, 0, 0).question(name, rrtype::kA).bytes();
}

class ResolverCacheTest : public ResolverFixture {
 protected:
  const JudgedMessage& last() { return received_.back().message; }
  // Each may bring about the next.
  void fail_all_attempts() {
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      asked_.at(i).end({AttemptStatus::kNetworkError, 0, {}});
    }
  }
};

TEST_F(ResolverCacheTest, TheSecondQuestionIsAnsweredAtOnceAndOlder) {
  make();
  resolve("www.example.org");
  answer(0, address_reply("www.example.org"));
  clock_.advance(seconds(7));
  EXPECT_EQ(resolve("WWW.example.org", Transport::kTcp, {.id = 99, .edns = 1232}), 0);
  ASSERT_THAT(received_, SizeIs(2));
  EXPECT_EQ(last().id, 99);
  EXPECT_TRUE(last().edns && last().ra);
  EXPECT_FALSE(last().extended_error.has_value());
  EXPECT_THAT(last().answer, ElementsAre("WWW.example.org. 53 IN A 192.0.0.0"));
  EXPECT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(resolver_->in_flight(), 0);
}

TEST_F(ResolverCacheTest, AllWorkersShareIt) {
  make();
  resolve("www.example.org");
  answer(0, address_reply("www.example.org"));
  resolve_at(*other_, "www.example.org");
  EXPECT_THAT(received_, SizeIs(2));
  EXPECT_THAT(asked_, SizeIs(1));
}

TEST_F(ResolverCacheTest, DoAndCdAreQuestionsOfTheirOwn) {
  make();
  resolve("www.example.org");
  answer(0, address_reply("www.example.org"));
  resolve("www.example.org", Transport::kUdp, {.edns = 1232, .dnssec_ok = true});
  resolve("www.example.org", Transport::kUdp, {.flags = 0x0110});
  EXPECT_THAT(asked_, SizeIs(3));
}

TEST_F(ResolverCacheTest, ATruncatedReplyIsNotKept) {
  make();
  resolve("www.example.org");
  answer(0, failure_reply("www.example.org", 0x8380));
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_TRUE(last().tc);
  resolve("www.example.org");
  EXPECT_THAT(asked_, SizeIs(2));
}

TEST_F(ResolverCacheTest, AFailureIsToldForAMomentAndThenAskedAgain) {
  make();
  resolve("www.example.org");
  fail_all_attempts();
  ASSERT_THAT(received_, SizeIs(1));
  const std::size_t asked = asked_.size();
  resolve("www.example.org", Transport::kUdp, {.edns = 1232});
  ASSERT_THAT(received_, SizeIs(2));
  EXPECT_EQ(last().rcode, rcode::kServFail);
  ASSERT_TRUE(last().extended_error);
  EXPECT_EQ(last().extended_error->code, extended_error::kCachedError);
  EXPECT_THAT(asked_, SizeIs(asked));
  clock_.advance(seconds(1));
  resolve("www.example.org");
  EXPECT_THAT(asked_, SizeIs(asked + 1));
}

// RFC 9520 section 3.2: whatever it is that makes it one.
TEST_F(ResolverCacheTest, AReplyThatCannotBeUsedIsAFailureToo) {
  make();
  resolve("www.example.org");
  answer(0, MessageBytes()
                .header(0x9999, 0x8180, 1, 1, 0, 0)
                .question("www.example.org", rrtype::kA)
                .record("www.example.org", rrtype::kA, 60, Octets{192, 0, 2})  // an octet short
                .bytes());
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(last().rcode, rcode::kServFail);
  resolve("www.example.org", Transport::kUdp, {.edns = 1232});
  ASSERT_THAT(received_, SizeIs(2));
  EXPECT_EQ(last().rcode, rcode::kServFail);
  EXPECT_EQ(last().extended_error.value().code, extended_error::kCachedError);
  EXPECT_THAT(asked_, SizeIs(1));
  clock_.advance(seconds(1));
  resolve("www.example.org");
  EXPECT_THAT(asked_, SizeIs(2));
}

// RFC 8767.
class StaleAnswers : public ResolverCacheTest {
 protected:
  // An answer that is over.
  void age_an_answer() {
    make();
    resolve("www.example.org");
    answer(0, address_reply("www.example.org"));
    clock_.advance(seconds(61));
    received_.clear();
    asked_.clear();
  }
  void expect_stale() {
    ASSERT_THAT(received_, SizeIs(1));
    EXPECT_EQ(last().rcode, rcode::kNoError);
    EXPECT_THAT(last().answer, ElementsAre("www.example.org. 30 IN A 192.0.0.0"));
    ASSERT_TRUE(last().extended_error);
    EXPECT_EQ(last().extended_error->code, extended_error::kStaleAnswer);
  }
  void ask() { resolve("www.example.org", Transport::kUdp, {.edns = 1232}); }
};

TEST_F(StaleAnswers, UpstreamIsAskedFirst) {
  age_an_answer();
  ask();
  EXPECT_THAT(received_, IsEmpty());
  answer(0, address_reply("www.example.org", 2));
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_THAT(last().answer, SizeIs(2));
  EXPECT_FALSE(last().extended_error);
}

TEST_F(StaleAnswers, AreToldWhenUpstreamFails) {
  age_an_answer();
  ask();
  asked_.at(0).end({AttemptStatus::kNetworkError, 0, {}});
  asked_.at(1).end({AttemptStatus::kNetworkError, 0, {}});
  expect_stale();
  // For the next half minute nobody waits for upstream.
  received_.clear();
  ask();
  expect_stale();
  EXPECT_THAT(asked_, SizeIs(2));
  clock_.advance(seconds(30));
  received_.clear();
  ask();
  EXPECT_THAT(received_, IsEmpty());
  EXPECT_THAT(asked_, SizeIs(3));
}

TEST_F(StaleAnswers, AreToldInsteadOfServfail) {
  age_an_answer();
  ask();
  answer(0, failure_reply("www.example.org"), rcode::kServFail);
  answer(1, failure_reply("www.example.org"), rcode::kServFail);
  expect_stale();
}

TEST_F(StaleAnswers, AreToldWhenUpstreamIsSlowAndWhatComesIsKept) {
  age_an_answer();
  ask();
  clock_.advance(milliseconds(1799));
  resolver_->answer_stale();
  EXPECT_THAT(received_, IsEmpty());
  clock_.advance(milliseconds(1));
  resolver_->answer_stale();
  expect_stale();
  answer(0, address_reply("www.example.org", 2));
  EXPECT_THAT(received_, SizeIs(1)) << "one reply each";
  ask();
  ASSERT_THAT(received_, SizeIs(2));
  EXPECT_THAT(last().answer, SizeIs(2));
  EXPECT_THAT(asked_, SizeIs(1));
}

TEST_F(StaleAnswers, ADenialIsNoFailure) {
  age_an_answer();
  ask();
  answer(0, failure_reply("www.example.org", 0x8183));
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(last().rcode, rcode::kNxDomain);
}

// That there is no such name is known under another key than what the name has.
TEST_F(StaleAnswers, ADenialIsToldWhenUpstreamFailsToo) {
  const Octets soa =
      MessageBytes().name("ns.org").name("root.org").u32(1).u32(2).u32(3).u32(4).u32(60).bytes();
  make();
  resolve("gone.example.org");
  answer(0, MessageBytes()
                .header(0x9999, 0x8183, 1, 0, 1, 0)
                .question("gone.example.org", rrtype::kA)
                .record("org", rrtype::kSoa, 60, soa)
                .bytes());
  clock_.advance(seconds(61));
  asked_.clear();
  const auto expect_stale_denial = [&](const char* when) {
    SCOPED_TRACE(when);
    ASSERT_THAT(received_, SizeIs(1));
    EXPECT_EQ(last().rcode, rcode::kNxDomain);
    EXPECT_THAT(last().authority, ElementsAre("org. 30 IN SOA ns.org. root.org. 1 2 3 4 60"));
    ASSERT_TRUE(last().extended_error);
    EXPECT_EQ(last().extended_error->code, extended_error::kStaleNxDomainAnswer);
  };
  received_.clear();
  resolve("gone.example.org", Transport::kUdp, {.edns = 1232});
  EXPECT_THAT(received_, IsEmpty());
  fail_all_attempts();
  expect_stale_denial("upstream is asked first");
  const std::size_t asked = asked_.size();
  received_.clear();
  resolve("gone.example.org", Transport::kUdp, {.edns = 1232});
  expect_stale_denial("and then is not for half a minute");
  EXPECT_THAT(asked_, SizeIs(asked));
}

TEST_F(StaleAnswers, WhoLeavesIsToldNothing) {
  age_an_answer();
  const QuestionId id = resolve("www.example.org");
  resolver_->cancel(id);
  clock_.advance(seconds(2));
  resolver_->answer_stale();
  EXPECT_THAT(received_, IsEmpty());
  answer(0, address_reply("www.example.org"));
  EXPECT_THAT(received_, IsEmpty());
}

// The timer and the reply meet in every order, at about the same time, with clients that come and
// leave meanwhile: each question has exactly one reply.
TEST_F(StaleAnswers, TheTimerAndTheReplyGiveEachQuestionOneReply) {
  make();
  constexpr int kQuestions = 10'000;
  std::uint64_t lot = 1;
  const auto draw = [&lot](std::uint64_t below) {
    lot = lot * 6364136223846793005U + 1442695040888963407U;
    return (lot >> 33U) % below;
  };
  for (int i = 0; i < kQuestions; ++i) {
    const std::string name = "n" + std::to_string(i % 50) + ".example.org";
    asked_.clear();
    received_.clear();
    cache_->flush(NameView(), true);
    resolve(name);
    answer(0, address_reply(name));
    clock_.advance(seconds(61));
    asked_.clear();
    received_.clear();
    const std::size_t clients = 1 + draw(3);
    std::vector<QuestionId> ids;
    for (std::size_t client = 0; client < clients; ++client) {
      ids.push_back(resolve_at(client % 2 == 0 ? *resolver_ : *other_, name));
      clock_.advance(milliseconds(draw(2)));
    }
    ASSERT_THAT(asked_, SizeIs(1));
    std::size_t expected = clients;
    clock_.advance(milliseconds(1798 + draw(4)));
    const bool reply_first = draw(2) == 0;
    if (draw(4) == 0 && reply_first) {
      resolver_->cancel(ids[0]);
      --expected;
    }
    if (reply_first) {
      answer(0, address_reply(name, 2));
    }
    resolver_->answer_stale();
    other_->answer_stale();
    if (!reply_first) {
      answer(0, address_reply(name, 2));
    }
    run_posted();
    ASSERT_EQ(received_.size(), expected) << i;
    ASSERT_EQ(resolver_->in_flight() + other_->in_flight(), 0U);
    ASSERT_EQ(limits_->in_flight(), 0U);
  }
}

// That there is no such name, or without `no_name` none of its type.
Octets denial(const std::string& name, bool no_name = true) {
  const Octets soa =
      MessageBytes().name("ns.org").name("root.org").u32(1).u32(2).u32(3).u32(4).u32(900).bytes();
  return MessageBytes()
      .header(0x9999, no_name ? 0x8183 : 0x8180, 1, 0, 1, 0)
      .question(name, rrtype::kA)
      .record("org", rrtype::kSoa, 900, soa)
      .bytes();
}

// The first server may be a company's, and the second a public one.
TEST_F(ResolverCacheTest, WhatTheSecondServerDeniesIsForgottenSoon) {
  make();
  resolve("inside.example.org");
  asked_.at(0).end({AttemptStatus::kNetworkError, 0, {}});
  ASSERT_EQ(asked_.at(1).server, kSecondServer);
  answer(1, denial("inside.example.org"));
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_THAT(last().authority, ElementsAre("org. 10 IN SOA ns.org. root.org. 1 2 3 4 900"));
  clock_.advance(seconds(9));
  resolve("inside.example.org");
  EXPECT_THAT(received_, SizeIs(2));
  clock_.advance(seconds(2));
  asked_.clear();
  resolve("inside.example.org");
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_.at(0).server, kFirstServer);
  answer(0, denial("inside.example.org"));
  EXPECT_THAT(last().authority, ElementsAre("org. 900 IN SOA ns.org. root.org. 1 2 3 4 900"));
}

TEST_F(ResolverCacheTest, WhatTheSecondServerDeniesEndsNoAnswerBeforeItsTime) {
  for (const bool no_name : {true, false}) {
    SCOPED_TRACE(no_name ? "no name" : "no data");
    make();
    asked_.clear();
    received_.clear();
    resolve("inside.example.org");
    answer(0, address_reply("inside.example.org"));
    clock_.advance(seconds(55));
    resolve("inside.example.org");
    resolve("inside.example.org");
    ASSERT_THAT(asked_, SizeIs(2)) << "it is popular, and asked for before its end";
    asked_.at(1).end({AttemptStatus::kNetworkError, 0, {}});
    ASSERT_EQ(asked_.at(2).server, kSecondServer);
    answer(2, denial("inside.example.org", no_name));
    resolve("inside.example.org");
    EXPECT_THAT(last().answer, SizeIs(1));
    clock_.advance(seconds(5));

    resolve("inside.example.org");
    ASSERT_THAT(asked_, SizeIs(4));
    answer(3, denial("inside.example.org", no_name));
    EXPECT_THAT(last().answer, IsEmpty());
    resolve("inside.example.org");
    EXPECT_THAT(last().answer, IsEmpty()) << "that is kept";
    EXPECT_THAT(asked_, SizeIs(4));
  }
}

TEST_F(ResolverCacheTest, APopularAnswerIsAskedForAnewBeforeItsEnd) {
  make();
  resolve("www.example.org");
  answer(0, address_reply("www.example.org"));
  clock_.advance(seconds(55));
  for (int i = 0; i < 5; ++i) {
    resolve("www.example.org");
  }
  EXPECT_THAT(received_, SizeIs(6));
  ASSERT_THAT(asked_, SizeIs(2)) << "once, for the next client";
  answer(1, address_reply("www.example.org", 2));
  EXPECT_THAT(received_, SizeIs(6));
  clock_.advance(seconds(30));
  resolve("www.example.org");
  EXPECT_THAT(last().answer, SizeIs(2));
}

TEST_F(ResolverCacheTest, WhatFormerServersSayIsToldButNotKept) {
  make();
  resolve("www.example.org");
  resolver_->set_plan(support::plan_of({kSecondServer}));
  other_->set_plan(support::plan_of({kSecondServer}));
  answer(0, address_reply("www.example.org"));
  EXPECT_THAT(received_, SizeIs(1));
  resolve("www.example.org");
  EXPECT_THAT(asked_, SizeIs(2));
}

}  // namespace
}  // namespace meshdns::dns
