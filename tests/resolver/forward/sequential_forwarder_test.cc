#include "resolver/forward/sequential_forwarder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/query.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recording_upstream.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// A question that remembers what became of it.
class Asker final : public ForwardClient {
 public:
  [[nodiscard]] const Query& query() const override { return query_; }
  [[nodiscard]] bool is_wanted() const override { return wanted; }
  [[nodiscard]] bool is_repeated() const override { return false; }
  void on_forwarded(ForwardResult given) override { result = std::move(given); }

  bool wanted = true;
  std::optional<ForwardResult> result;

 private:
  Query query_;
};

class SequentialForwarderTest : public ::testing::Test {
 protected:
  void make(int servers, const SequentialForwarder::Options& options = {}) {
    std::vector<std::unique_ptr<Upstream>> upstreams;
    for (int i = 0; i < servers; ++i) {
      upstreams.push_back(std::make_unique<support::RecordingUpstream>(
          SocketAddress{.ip = {}, .port = static_cast<std::uint16_t>(i)}, asked_));
    }
    forwarder_ = std::make_unique<SequentialForwarder>(
        std::move(upstreams), options,
        SequentialForwarder::Environment{
            .timers = timers_, .health = health_, .loops = loops_, .metrics = metrics_});
  }
  Asker& forward() {
    askers_.push_back(std::make_unique<Asker>());
    forwarder_->forward(*askers_.back());
    return *askers_.back();
  }
  // Time goes by; what is due happens when it is due.
  void advance(milliseconds by) {
    constexpr milliseconds kStep{10};
    for (milliseconds passed{0}; passed < by; passed += kStep) {
      clock_.advance(kStep);
      timers_.run_due();
    }
  }
  void end(std::size_t attempt, AttemptResult result) { asked_.at(attempt).end(std::move(result)); }
  void reply(std::size_t attempt, std::uint16_t rcode = 0, std::uint8_t mark = 1) {
    end(attempt, {AttemptStatus::kReply, rcode, {mark}});
  }
  [[nodiscard]] bool is_open(std::size_t attempt) const {
    return static_cast<bool>(asked_.at(attempt).done);
  }
  // From the attempt of this number on.
  [[nodiscard]] std::vector<int> servers_asked(std::size_t first = 0) const {
    std::vector<int> servers;
    for (std::size_t i = first; i < asked_.size(); ++i) {
      servers.push_back(asked_[i].server.port);
    }
    return servers;
  }
  [[nodiscard]] ServerHealth& health_of(std::uint16_t server) {
    return health_.of({.ip = {}, .port = server});
  }

  support::ManualClock clock_;
  TimerQueue timers_{clock_};
  MetricRegistry registry_;
  ForwardMetrics metrics_{registry_};
  std::unique_ptr<Logs> logs_ = Logs::create({.level = "off"}).value();
  HealthBook health_;
  LoopGuard loops_{clock_, logs_->logger("fwd"), metrics_};
  support::AttemptRecord asked_;
  std::vector<std::unique_ptr<Asker>> askers_;
  std::unique_ptr<SequentialForwarder> forwarder_;
};

TEST_F(SequentialForwarderTest, AsksTheFirstServerAloneWhileItHasItsTurn) {
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

class SequentialForwarderFailure : public SequentialForwarderTest,
                                   public ::testing::WithParamInterface<FailureCase> {};

TEST_P(SequentialForwarderFailure, DecidesWhetherTheNextServerIsAsked) {
  make(2);
  const Asker& asker = forward();
  end(0, GetParam().result);
  EXPECT_EQ(servers_asked().size(), GetParam().next_server ? 2U : 1U);
  EXPECT_EQ(asker.result.has_value(), !GetParam().next_server);
}

INSTANTIATE_TEST_SUITE_P(
    Results, SequentialForwarderFailure,
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

TEST_F(SequentialForwarderTest, AsksAgainAndHearsTheOldPortStill) {
  make(1);
  const Asker& asker = forward();
  advance(milliseconds(600));
  ASSERT_THAT(servers_asked(), ElementsAre(0, 0));
  reply(0, 0, 42);  // 600 ms after it was asked
  EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
  EXPECT_FALSE(is_open(1)) << "the other try is given up";
}

TEST_F(SequentialForwarderTest, HearsAServerWhoseTurnIsOver) {
  make(2);
  const Asker& asker = forward();
  advance(milliseconds(2000));
  ASSERT_THAT(servers_asked(), Contains(1));
  reply(0, 0, 42);
  EXPECT_THAT(asker.result.value().reply, ElementsAre(42));
  EXPECT_TRUE(std::ranges::none_of(asked_, [](const auto& each) { return bool(each.done); }));
}

TEST_F(SequentialForwarderTest, FailsOverWithinTwoSeconds) {
  make(2);
  const Asker& asker = forward();
  advance(milliseconds(1500));
  ASSERT_EQ(asked_.back().server.port, 1);
  reply(asked_.size() - 1);
  EXPECT_EQ(asker.result.value().status, ForwardStatus::kReply);
  EXPECT_EQ(metrics_.upstream(asked_.front().server).timeouts.value(), 1U);
}

TEST_F(SequentialForwarderTest, TriesOftenAndEndsUnderAStubsFiveSeconds) {
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

TEST_F(SequentialForwarderTest, DoesNotAskAServerAgainThatSpokeOrRefused) {
  make(3);
  forward();
  reply(0, 2);
  end(1, {AttemptStatus::kNetworkError, 0, {}});
  advance(milliseconds(1000));
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1, 2, 2, 2));
}

TEST_F(SequentialForwarderTest, PassesTheFirstErrorReplyOnceAllHadTheirTurn) {
  make(3);
  const Asker& asker = forward();
  advance(milliseconds(1500));  // the first is silent
  reply(asked_.size() - 1, 5, 55);
  reply(asked_.size() - 1, 2, 22);
  ASSERT_TRUE(asker.result.has_value()) << "the silent one gets no second turn";
  EXPECT_EQ(asker.result->status, ForwardStatus::kReply);
  EXPECT_THAT(asker.result->reply, ElementsAre(55));
}

TEST_F(SequentialForwarderTest, TellsUnreachableServersFromSilentOnes) {
  make(2);
  const Asker& asker = forward();
  end(0, {AttemptStatus::kNetworkError, 0, {}});
  end(1, {AttemptStatus::kNetworkError, 0, {}});
  EXPECT_EQ(asker.result.value().status, ForwardStatus::kNetworkError);
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1));
}

TEST_F(SequentialForwarderTest, WithoutServersSaysSoAtOnce) {
  make(0);
  EXPECT_EQ(forward().result.value().status, ForwardStatus::kNoUpstream);
}

TEST_F(SequentialForwarderTest, AsksNoFurtherServerForNobody) {
  make(2);
  Asker& asker = forward();
  asker.wanted = false;
  advance(milliseconds(400));
  EXPECT_EQ(asker.result.value().status, ForwardStatus::kUnwanted);
  EXPECT_THAT(servers_asked(), ElementsAre(0));
  EXPECT_FALSE(is_open(0));
}

TEST_F(SequentialForwarderTest, DropsItsQuestionsWhenItGoes) {
  make(2);
  const Asker& asker = forward();
  forwarder_.reset();
  EXPECT_FALSE(asker.result.has_value());
  EXPECT_FALSE(timers_.next().has_value());
}

// What it learns of servers from one question, and does in the next.
class ServerHealthTest : public SequentialForwarderTest {
 protected:
  // The first of two servers has been silent; the second has answered.
  void lose_first_server() {
    make(2);
    forward();
    advance(milliseconds(1500));
    reply(asked_.size() - 1);
    ASSERT_TRUE(askers_.back()->result.has_value());
    asked_.clear();
  }
};

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
  forward();
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1)) << "asked besides";
  forward();
  EXPECT_THAT(servers_asked(2), ElementsAre(1));
  reply(0, 0, 42);
  EXPECT_THAT(askers_[1]->result.value().reply, ElementsAre(42));
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
  for (int i = 0; i < 1000; ++i) {
    health.note_silence(clock_.now(), clock_.now());
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

}  // namespace
}  // namespace meshdns::dns
