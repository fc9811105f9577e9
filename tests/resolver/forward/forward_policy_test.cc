// Which servers of a group each policy asks, and when.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/forward/forward_client.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/protocol.h"
#include "tests/resolver/forward/forwarder_fixture.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Not;

class ForwardPolicyTest : public ForwarderFixture {
 protected:
  void make_with(int servers, ForwardPolicy policy, std::uint32_t seed = 1) {
    make(servers, {.policy = policy, .seed = seed});
  }
  // One question, which its first server answers after `rtt`. Who that was.
  int ask_and_answer(milliseconds rtt = milliseconds(0)) {
    const std::size_t attempt = asked_.size();
    forward();
    advance(rtt);
    for (std::size_t i = attempt; i < asked_.size(); ++i) {
      if (is_open(i)) {
        reply(i);
      }
    }
    return asked_.at(attempt).server.port;
  }
  void learn(std::uint16_t server, milliseconds rtt, int times = 100) {
    for (int i = 0; i < times; ++i) {
      health_of(server).rtt().note(rtt);
    }
    // So that nobody is asked besides.
    static_cast<void>(health_of(server).claim_comparison(clock_.now()));
  }
};

TEST_F(ForwardPolicyTest, RoundRobinTakesTurns) {
  make_with(3, ForwardPolicy::kRoundRobin);
  std::vector<int> first;
  for (int i = 0; i < 7; ++i) {
    first.push_back(ask_and_answer());
  }
  EXPECT_THAT(first, ElementsAre(0, 1, 2, 0, 1, 2, 0));
}

TEST_F(ForwardPolicyTest, RandomAsksEachAboutAsOften) {
  make_with(3, ForwardPolicy::kRandom);
  std::array<int, 3> counts{};
  for (int i = 0; i < 3000; ++i) {
    ++counts.at(static_cast<std::size_t>(ask_and_answer()));
    asked_.clear();
  }
  EXPECT_THAT(counts, Each(testing::AllOf(testing::Ge(900), testing::Le(1100))));
}

TEST_F(ForwardPolicyTest, FastestAsksWhoRepliesSoonest) {
  make_with(3, ForwardPolicy::kFastest);
  learn(0, milliseconds(30));
  learn(1, milliseconds(10));
  learn(2, milliseconds(20));
  EXPECT_EQ(ask_and_answer(milliseconds(10)), 1);
  // It slows down: after a few questions another one is first.
  int questions = 0;
  while (ask_and_answer(milliseconds(200)) == 1) {
    ASSERT_LT(++questions, 5);
  }
}

TEST_F(ForwardPolicyTest, FastestAsksEachNewServerOnce) {
  make_with(3, ForwardPolicy::kFastest);
  std::vector<int> first;
  for (int i = 0; i < 3; ++i) {
    first.push_back(ask_and_answer(milliseconds(10)));
  }
  EXPECT_THAT(first, testing::IsSupersetOf({0}));
  for (std::uint16_t server = 0; server < 3; ++server) {
    EXPECT_TRUE(health_of(server).rtt().smoothed()) << server;
  }
}

TEST_F(ForwardPolicyTest, FastestLooksAtTheOthersNowAndThenAndListensToTheEnd) {
  make_with(2, ForwardPolicy::kFastest);
  learn(0, milliseconds(10));
  learn(1, milliseconds(50));
  forward();
  EXPECT_THAT(servers_asked(), ElementsAre(0));
  reply(0);
  asked_.clear();
  advance(ServerHealth::kComparisonInterval);
  const Asker& asker = forward();
  ASSERT_THAT(servers_asked(), ElementsAre(1, 0)) << "the other one besides";
  advance(milliseconds(10));
  reply(1);
  EXPECT_TRUE(asker.result.has_value());
  ASSERT_TRUE(is_open(0)) << "what it says still counts";
  const auto before = health_of(1).rtt().smoothed();
  reply(0);
  EXPECT_LT(health_of(1).rtt().smoothed(), before) << "10 ms after 50";
}

TEST_F(ForwardPolicyTest, OfEqualsTheNextIsAskedAtTheRetryIntervalAndAnyAnswerCounts) {
  for (const ForwardPolicy policy :
       {ForwardPolicy::kRoundRobin, ForwardPolicy::kFastest, ForwardPolicy::kHedged}) {
    asked_.clear();
    make_with(3, policy);
    const Asker& asker = forward();
    advance(milliseconds(390));
    const std::size_t besides = asked_.size() - 1;
    advance(milliseconds(10));
    ASSERT_EQ(asked_.size(), besides + 2) << "the second";
    advance(milliseconds(400));
    ASSERT_EQ(asked_.size(), besides + 3) << "the third";
    EXPECT_FALSE(asker.result.has_value());
    reply(besides, 0, 42);  // the first, late
    EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
    forwarder_.reset();
  }
}

// Whatever it waits for: the others' answers are as good.
TEST_F(ForwardPolicyTest, OfEqualsOneThatWasSilentOnceComesLast) {
  make_with(2, ForwardPolicy::kRoundRobin);
  forward();
  advance(milliseconds(400));
  ASSERT_THAT(servers_asked(), ElementsAre(0, 1));
  reply(1);
  EXPECT_TRUE(health_of(0).is_down(clock_.now()));
}

// One that refuses all is quick to say so.
TEST_F(ForwardPolicyTest, OfEqualsASlowOneIsHeardThoughTheOthersFail) {
  for (const ForwardPolicy policy : {ForwardPolicy::kRandom, ForwardPolicy::kRoundRobin,
                                     ForwardPolicy::kFastest, ForwardPolicy::kHedged}) {
    forwarder_.reset();
    kept_.clear();
    asked_.clear();
    make_with(2, policy);
    const Asker& asker = forward();
    advance(milliseconds(400));
    const int slow = asked_.front().server.port;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (asked_.at(i).server.port != slow && is_open(i)) {
        reply(i, rcode::kRefused);
      }
    }
    advance(milliseconds(200));
    ASSERT_FALSE(asker.result.has_value()) << static_cast<int>(policy);
    reply(0, 0, 42);  // 600 ms after it was asked
    EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
  }
}

TEST_F(ForwardPolicyTest, HedgedAsksTheSecondOnceTheFirstTookLongerThanNearlyAlways) {
  make_with(2, ForwardPolicy::kHedged);
  learn(0, milliseconds(20));
  learn(1, milliseconds(25));
  const Asker& asker = forward();
  advance(milliseconds(10));
  EXPECT_THAT(servers_asked(), ElementsAre(0));
  advance(milliseconds(20));  // 30 ms: beyond what 95 of 100 took
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1));
  advance(milliseconds(10));
  reply(1, 0, 42);
  EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
  EXPECT_FALSE(health_of(0).is_down(clock_.now())) << "40 ms are no silence";
}

TEST_F(ForwardPolicyTest, HedgedAsksOneServerWhileThatIsAsFastAsEver) {
  make_with(2, ForwardPolicy::kHedged);
  learn(0, milliseconds(20));
  learn(1, milliseconds(25));
  for (int i = 0; i < 100; ++i) {
    forward();
    advance(milliseconds(20));
    reply(asked_.size() - 1);
  }
  EXPECT_LE(std::ranges::count(servers_asked(), 1), 1) << "but to compare";
}

TEST_F(ForwardPolicyTest, HedgesComeOutOfTheBudgetOfRetries) {
  make_with(2, ForwardPolicy::kHedged);
  learn(0, milliseconds(4));
  learn(1, milliseconds(5));
  while (health_of(1).take_retry(clock_.now())) {
  }
  forward();
  advance(milliseconds(10));
  EXPECT_THAT(servers_asked(), ElementsAre(0));
}

// A dead server of a group costs each question that meets it one retry interval, for a short time.
TEST_F(ForwardPolicyTest, ADeadServerOfEqualsIsSoonAskedLast) {
  for (const ForwardPolicy policy : {ForwardPolicy::kRandom, ForwardPolicy::kRoundRobin,
                                     ForwardPolicy::kFastest, ForwardPolicy::kHedged}) {
    forwarder_.reset();
    kept_.clear();
    asked_.clear();
    make_with(2, policy);
    int met = 0;
    for (int i = 0; i < 40; ++i) {
      const std::size_t begin = asked_.size();
      const Asker& asker = forward();
      for (int step = 0; step < 100 && !asker.result; ++step) {
        for (std::size_t at = begin; at < asked_.size(); ++at) {
          if (asked_.at(at).server.port == 1 && is_open(at)) {
            reply(at);
            break;
          }
        }
        advance(milliseconds(10));
      }
      ASSERT_TRUE(asker.result.has_value());
      met += asked_.at(begin).server.port == 0 ? 1 : 0;
    }
    EXPECT_LE(met, 3) << static_cast<int>(policy) << ": met first";
    EXPECT_TRUE(health_of(0).is_down(clock_.now()));
  }
}

TEST_F(ForwardPolicyTest, AServerThatIsBackIsHeardThoughAFasterOneAnswered) {
  make_with(2, ForwardPolicy::kRoundRobin);
  health_of(0).note_refusal(clock_.now());
  advance(seconds(2));
  forward();
  ASSERT_THAT(servers_asked(), ElementsAre(0, 1)) << "asked besides";
  reply(1);
  ASSERT_TRUE(is_open(0));
  advance(milliseconds(600));
  reply(0);
  EXPECT_FALSE(health_of(0).is_down(clock_.now()));
}

TEST_F(ForwardPolicyTest, EveryPolicyEndsUnderAStubsFiveSeconds) {
  for (const ForwardPolicy policy : {ForwardPolicy::kRandom, ForwardPolicy::kRoundRobin,
                                     ForwardPolicy::kFastest, ForwardPolicy::kHedged}) {
    for (const int servers : {1, 2, 3, 5}) {
      forwarder_.reset();
      kept_.clear();
      asked_.clear();
      make_with(servers, policy);
      const Asker& asker = forward();
      milliseconds waited{0};
      while (!asker.result && waited < seconds(6)) {
        advance(milliseconds(10));
        waited += milliseconds(10);
      }
      ASSERT_TRUE(asker.result.has_value());
      EXPECT_EQ(asker.result->status, ForwardStatus::kTimeout);
      EXPECT_LT(waited, seconds(5));
      EXPECT_GE(asked_.size(), 8U);
      for (int i = 0; i < servers; ++i) {
        EXPECT_THAT(servers_asked(), Contains(i));
      }
    }
  }
}

TEST_F(ForwardPolicyTest, GoesAwayWhileItStillListens) {
  make_with(2, ForwardPolicy::kFastest);
  forward();
  reply(asked_.size() - 1);
  ASSERT_TRUE(askers_.back()->result.has_value());
  forwarder_.reset();
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    EXPECT_FALSE(is_open(i));
  }
}

TEST_F(ForwardPolicyTest, HealthIsForgottenWithTheLastWhoAsks) {
  make_with(1, ForwardPolicy::kSequential);
  const UpstreamServer server{.address = {.ip = {}, .port = 0}};
  health_.of(server)->note_refusal(clock_.now());
  EXPECT_TRUE(health_.of(server)->is_down(clock_.now()));
  forwarder_.reset();
  EXPECT_FALSE(health_.of(server)->is_down(clock_.now()));
}

}  // namespace
}  // namespace meshdns::dns
