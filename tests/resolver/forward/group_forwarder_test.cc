// One group's forwarder, in sequence, and what it learns of servers.
#include "resolver/forward/group_forwarder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/query.h"
#include "tests/resolver/forward/forwarder_fixture.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

using GroupForwarderTest = ForwarderFixture;

TEST_F(GroupForwarderTest, AsksTheFirstServerAloneWhileItHasItsTurn) {
  make(2);
  const Asker& asker = forward();
  advance(milliseconds(1490));
  EXPECT_THAT(servers_asked(), Each(0));
  EXPECT_FALSE(asker.result.has_value());
  reply(0, 0, 42);
  EXPECT_EQ(asker.result.value().status, ForwardStatus::kReply);
  EXPECT_THAT(asker.result->reply, ElementsAre(42));
}

struct FailureCase {
  std::string name;
  AttemptResult result;
  bool next_server;
};

class GroupForwarderFailure : public GroupForwarderTest,
                              public ::testing::WithParamInterface<FailureCase> {};

TEST_P(GroupForwarderFailure, DecidesWhetherTheNextServerIsAsked) {
  make(2);
  const Asker& asker = forward();
  end(0, GetParam().result);
  EXPECT_EQ(servers_asked().size(), GetParam().next_server ? 2U : 1U);
  EXPECT_EQ(asker.result.has_value(), !GetParam().next_server);
}

INSTANTIATE_TEST_SUITE_P(
    Results, GroupForwarderFailure,
    ::testing::Values(FailureCase{"NoError", {AttemptStatus::kReply, 0, {1}}, false},
                      FailureCase{"FormErr", {AttemptStatus::kReply, 1, {1}}, true},
                      FailureCase{"ServFail", {AttemptStatus::kReply, 2, {1}}, true},
                      FailureCase{"NxDomain", {AttemptStatus::kReply, 3, {1}}, false},
                      FailureCase{"NotImp", {AttemptStatus::kReply, 4, {1}}, true},
                      FailureCase{"Refused", {AttemptStatus::kReply, 5, {1}}, true},
                      FailureCase{"YxDomain", {AttemptStatus::kReply, 6, {1}}, false},
                      FailureCase{"BadVers", {AttemptStatus::kReply, 16, {1}}, true},
                      FailureCase{"BadReply", {AttemptStatus::kBadReply, 0, {}}, true},
                      FailureCase{"Network", {AttemptStatus::kNetworkError, 0, {}}, true}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(GroupForwarderTest, AsksAgainAndHearsTheOldPortStill) {
  make(1);
  const Asker& asker = forward();
  advance(milliseconds(600));
  ASSERT_THAT(servers_asked(), ElementsAre(0, 0));
  reply(0, 0, 42);  // 600 ms after it was asked
  EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
  EXPECT_FALSE(is_open(1)) << "the other try is given up";
}

TEST_F(GroupForwarderTest, HearsAServerWhoseTurnIsOver) {
  make(2);
  const Asker& asker = forward();
  advance(milliseconds(2000));
  ASSERT_THAT(servers_asked(), Contains(1));
  reply(0, 0, 42);
  EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
  EXPECT_TRUE(std::ranges::none_of(asked_, [](const auto& each) { return bool(each.done); }));
}

TEST_F(GroupForwarderTest, FailsOverWithinTwoSeconds) {
  make(2);
  const Asker& asker = forward();
  advance(milliseconds(1500));
  ASSERT_EQ(asked_.back().server.port, 1);
  reply(asked_.size() - 1);
  EXPECT_EQ(asker.result.value().status, ForwardStatus::kReply);
  EXPECT_EQ(metrics_.upstream({.address = asked_.front().server}).timeouts.value(), 1U);
}

TEST_F(GroupForwarderTest, TriesOftenAndEndsUnderAStubsFiveSeconds) {
  for (const int servers : {1, 2, 3}) {
    SCOPED_TRACE(servers);
    asked_.clear();
    make(servers);
    const Asker& asker = forward();
    const TimePoint start = clock_.now();
    while (!asker.result.has_value()) {
      advance(milliseconds(10));
    }
    EXPECT_EQ(asker.result->status, ForwardStatus::kTimeout);
    EXPECT_LT(clock_.now() - start, seconds(5));
    EXPECT_GE(asked_.size(), 8U);
    for (int i = 0; i < servers; ++i) {
      EXPECT_THAT(servers_asked(), Contains(i));
    }
  }
}

TEST_F(GroupForwarderTest, DoesNotAskAServerAgainThatSpokeOrRefused) {
  make(3);
  forward();
  reply(0, 2);
  end(1, {AttemptStatus::kNetworkError, 0, {}});
  advance(milliseconds(1000));
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1, 2, 2, 2));
}

TEST_F(GroupForwarderTest, PassesTheFirstErrorReplyOnceAllHadTheirTurn) {
  make(3);
  health_of(0).note_refusal(clock_.now());
  const Asker& asker = forward();
  ASSERT_THAT(servers_asked(), ElementsAre(1));
  reply(0, 5, 55);
  reply(1, 2, 22);
  EXPECT_FALSE(asker.result.has_value()) << "the one that is down has its turn, too";
  advance(milliseconds(800));
  ASSERT_TRUE(asker.result.has_value()) << "and no second one";
  EXPECT_EQ(asker.result->status, ForwardStatus::kReply);
  EXPECT_THAT(asker.result->reply, ElementsAre(55));
}

TEST_F(GroupForwarderTest, AServerThatIsSlowIsHeardThoughTheOthersFail) {
  make(3);
  const Asker& asker = forward();
  advance(milliseconds(1500));
  reply(asked_.size() - 1, 5, 55);
  reply(asked_.size() - 1, 2, 22);
  advance(milliseconds(500));
  ASSERT_FALSE(asker.result.has_value());
  reply(0, 0, 42);  // 2 s after it was asked
  EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
}

TEST_F(GroupForwarderTest, AServerThatIsSilentDoesNotKeepTheOthersErrorForEver) {
  make(2);
  const Asker& asker = forward();
  advance(milliseconds(1500));
  reply(asked_.size() - 1, 5, 55);
  advance(milliseconds(3000));
  EXPECT_THAT(asker.result.value().reply, ElementsAre(55));
}

TEST_F(GroupForwarderTest, TellsUnreachableServersFromSilentOnes) {
  make(2);
  const Asker& asker = forward();
  end(0, {AttemptStatus::kNetworkError, 0, {}});
  end(1, {AttemptStatus::kNetworkError, 0, {}});
  EXPECT_EQ(asker.result.value().status, ForwardStatus::kNetworkError);
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1));
}

// RFC 6840 section 5.8: worth nothing from a server that is not trusted.
TEST_F(GroupForwarderTest, ClearsAuthenticDataOfServersThatAreNotTrusted) {
  for (const bool trusts : {true, false}) {
    asked_.clear();
    make(1, {.trusts_ad = trusts});
    const Asker& asker = forward();
    end(0, {AttemptStatus::kReply, 0, {0x12, 0x34, 0x81, 0xb0, 0, 1}});
    EXPECT_THAT(asker.result.value().reply,
                ElementsAre(0x12, 0x34, 0x81, trusts ? 0xb0 : 0x90, 0, 1));
  }
}

// A turn that resolv.conf shortens leaves a question its tries and its end.
TEST_F(GroupForwarderTest, ShorterTurnsAskTheNextServerSoonerAndNoLessOften) {
  for (const int servers : {1, 2, 3, 8}) {
    SCOPED_TRACE(servers);
    forwarder_.reset();  // and what was learnt
    asked_.clear();
    make(servers, {.turn = seconds(1)});
    const Asker& asker = forward();
    const TimePoint start = clock_.now();
    advance(seconds(1));
    EXPECT_EQ(servers_asked().back(), servers == 1 ? 0 : 1);
    while (!asker.result.has_value()) {
      advance(milliseconds(10));
    }
    EXPECT_LT(clock_.now() - start, seconds(5));
    EXPECT_GE(asked_.size(), 8U);
  }
}

TEST_F(GroupForwarderTest, WithoutServersSaysSoAtOnce) {
  make(0);
  EXPECT_EQ(forward().result.value().status, ForwardStatus::kNoUpstream);
}

TEST_F(GroupForwarderTest, AsksNoFurtherServerForNobody) {
  make(2);
  Asker& asker = forward();
  asker.wanted = false;
  advance(milliseconds(400));
  EXPECT_EQ(asker.result.value().status, ForwardStatus::kUnwanted);
  EXPECT_THAT(servers_asked(), ElementsAre(0));
  EXPECT_FALSE(is_open(0));
}

TEST_F(GroupForwarderTest, DropsItsQuestionsWhenItGoes) {
  make(2);
  const Asker& asker = forward();
  forwarder_.reset();
  EXPECT_FALSE(asker.result.has_value());
  EXPECT_FALSE(timers_.next().has_value());
}

// What it learns of servers from one question, and does in the next.
class ServerHealthTest : public GroupForwarderTest {
 protected:
  // The first of two servers is silent to a question; the second answers it.
  void ask_in_vain(milliseconds turn) {
    forward();
    advance(turn);
    ASSERT_EQ(asked_.back().server.port, 1);
    reply(asked_.size() - 1);
    ASSERT_TRUE(askers_.back()->result.has_value());
    asked_.clear();
  }
  // So it was to one question, and then to another.
  void lose_first_server() {
    make(2);
    ask_in_vain(milliseconds(1500));
    ask_in_vain(milliseconds(800));
  }
};

// A healthy server may wait for somebody else's slow one, and others know no names of its own.
TEST_F(ServerHealthTest, AServerThatWasSilentToOneQuestionKeepsItsPlaceForAShorterTurn) {
  make(2);
  ask_in_vain(milliseconds(1500));
  EXPECT_FALSE(health_of(0).is_down(clock_.now()));
  forward();
  advance(milliseconds(790));
  EXPECT_THAT(servers_asked(), ElementsAre(0, 0)) << "one lost datagram is no silence";
  advance(milliseconds(10));
  EXPECT_THAT(servers_asked(), ElementsAre(0, 0, 1));
  EXPECT_TRUE(health_of(0).is_down(clock_.now()));
}

TEST_F(ServerHealthTest, AnAnswerGivesAServerItsWholeTurnAgain) {
  make(2);
  ask_in_vain(milliseconds(1500));
  forward();
  reply(0);
  asked_.clear();
  forward();
  advance(milliseconds(1490));
  EXPECT_THAT(servers_asked(), Each(0));
}

// Such as those of getaddrinfo(3), for A and AAAA of one slow name.
TEST_F(ServerHealthTest, QuestionsThatWereAskedTogetherAreOneSilence) {
  make(2);
  for (int i = 0; i < 3; ++i) {
    forward();
    advance(milliseconds(20));
  }
  advance(milliseconds(1500));
  EXPECT_THAT(servers_asked(), Contains(1));
  EXPECT_FALSE(health_of(0).is_down(clock_.now()));
}

TEST_F(ServerHealthTest, AQuestionThatIsAskedForLongIsOneSilence) {
  make(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(health_of(0).is_down(clock_.now()));
    const Asker& asker = forward();
    advance(seconds(5));
    EXPECT_TRUE(asker.result.has_value());
  }
  EXPECT_EQ(metrics_.upstream({.address = asked_.front().server}).timeouts.value(), 2U);
  advance(ServerHealth::kFirstPenalty);
  EXPECT_FALSE(health_of(0).is_down(clock_.now())) << "no longer than at first";
}

TEST_F(ServerHealthTest, AServerThatWasSilentComesAfterTheOthers) {
  lose_first_server();
  const Asker& asker = forward();
  EXPECT_THAT(servers_asked(), ElementsAre(1));
  reply(0);
  EXPECT_TRUE(asker.result.has_value());
}

TEST_F(ServerHealthTest, OneQuestionASecondLooksWhetherItIsBack) {
  lose_first_server();
  advance(seconds(1));
  const Asker& asker = forward();
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1)) << "asked besides";
  forward();
  EXPECT_THAT(servers_asked(2), ElementsAre(1));
  reply(0, 0, 42);
  EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
  forward();
  EXPECT_THAT(servers_asked(3), ElementsAre(0)) << "it is back";
}

TEST_F(ServerHealthTest, ALaterServerIsNotAskedBesides) {
  make(2);
  health_of(1).note_refusal(clock_.now());
  advance(seconds(2));
  forward();
  EXPECT_THAT(servers_asked(), ElementsAre(0));
}

TEST_F(ServerHealthTest, ThePenaltyEndsByItself) {
  lose_first_server();
  advance(ServerHealth::kFirstPenalty);
  forward();
  EXPECT_THAT(servers_asked(), ElementsAre(0));
}

TEST_F(ServerHealthTest, ThePenaltyGrowsWithEachSilenceUpToABound) {
  ServerHealth& health = health_of(7);
  for (int i = 0; i < 10; ++i) {
    health.note_silence(clock_.now(), clock_.now());
    clock_.advance(ServerHealth::kLongestPenalty - seconds(1));
  }
  EXPECT_TRUE(health.is_down(clock_.now()));
  clock_.advance(seconds(1));
  EXPECT_FALSE(health.is_down(clock_.now()));
}

TEST_F(ServerHealthTest, ManyQuestionsThatFailTogetherCountAsOne) {
  ServerHealth& health = health_of(7);
  for (const bool makes_it_down : {false, true}) {
    const TimePoint asked = clock_.now();
    clock_.advance(milliseconds(800));
    for (int i = 0; i < 1000; ++i) {
      health.note_silence(asked, clock_.now());
    }
    EXPECT_EQ(health.is_down(clock_.now()), makes_it_down);
  }
  clock_.advance(ServerHealth::kFirstPenalty);
  EXPECT_FALSE(health.is_down(clock_.now()));
}

TEST_F(ServerHealthTest, AServerThatAnswersOthersIsNotDown) {
  ServerHealth& health = health_of(7);
  const TimePoint asked = clock_.now();
  clock_.advance(milliseconds(700));
  health.note_reply(clock_.now());
  clock_.advance(milliseconds(800));
  health.note_silence(asked, clock_.now());
  EXPECT_FALSE(health.is_down(clock_.now()));
}

TEST_F(ServerHealthTest, WhenAllAreDownTheyAreAskedInOrder) {
  make(2);
  health_of(0).note_refusal(clock_.now());
  health_of(1).note_refusal(clock_.now());
  forward();
  EXPECT_THAT(servers_asked(), ElementsAre(0));
}

TEST_F(ServerHealthTest, InAnOutageThereAreHardlyMorePacketsThanQuestions) {
  make(2);
  constexpr std::size_t kQuestions = 5000;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    forward();
    if (i % 50 == 0) {
      advance(milliseconds(10));
    }
  }
  advance(seconds(6));
  EXPECT_TRUE(
      std::ranges::all_of(askers_, [](const auto& asker) { return asker->result.has_value(); }));
  // Each server once for each question, what the budgets hold, and what is free in seven seconds.
  const std::size_t retries = 2 * (ServerHealth::kMaxRetries + 7000 / 20);
  EXPECT_LE(asked_.size(), 2 * kQuestions + retries);
}

TEST_F(ServerHealthTest, ALossyServerKeepsItsRetries) {
  make(1);
  // Two tries of three are lost, for ever.
  for (int i = 0; i < 1000; ++i) {
    const Asker& asker = forward();
    advance(milliseconds(900));
    ASSERT_THAT(asked_, SizeIs(3)) << "question " << i;
    reply(2);
    ASSERT_TRUE(asker.result.has_value());
    asked_.clear();
  }
}

// Never answers; memory runs out at some of its questions.
class UnluckyUpstream final : public Upstream {
 public:
  explicit UnluckyUpstream(std::vector<bool> fails) : fails_(std::move(fails)) {}
  [[nodiscard]] const UpstreamServer& server() const override { return server_; }
  AttemptId ask(const Query& /*query*/, milliseconds /*deadline*/, OnAttempt /*done*/) override {
    const std::size_t number = asked_++;
    if (number < fails_.size() && fails_[number]) {
      throw std::bad_alloc();
    }
    return asked_;
  }
  void cancel(AttemptId /*attempt*/) override {}

 private:
  UpstreamServer server_;
  std::vector<bool> fails_;
  AttemptId asked_ = 0;
};

TEST_F(GroupForwarderTest, AQuestionEndsWhateverThereWasNoMemoryFor) {
  for (const std::vector<bool>& fails : {std::vector<bool>{true},
                                         {false, true},
                                         {false, true, true},
                                         std::vector<bool>(100, true)}) {
    std::vector<std::unique_ptr<Upstream>> upstreams;
    upstreams.push_back(std::make_unique<UnluckyUpstream>(fails));
    forwarder_ = std::make_unique<GroupForwarder>(
        std::move(upstreams), GroupForwarder::Options{},
        GroupForwarder::Environment{
            .timers = timers_, .health = health_, .loops = loops_, .metrics = metrics_});
    Asker asker;
    int failures = 0;
    const auto take_step = [&failures](const auto& step) {
      try {
        step();
      } catch (const std::bad_alloc&) {
        ++failures;
      }
    };
    take_step([&] { forwarder_->forward(asker); });
    for (int i = 0; i < 500; ++i) {
      clock_.advance(milliseconds(10));
      take_step([&] { timers_.run_due(); });
    }
    EXPECT_GT(failures, 0);
    EXPECT_TRUE(asker.result.has_value());
    EXPECT_FALSE(timers_.next().has_value());
  }
}

}  // namespace
}  // namespace meshdns::dns
