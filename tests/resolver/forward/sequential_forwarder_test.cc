#include "resolver/forward/sequential_forwarder.h"

#include <chrono>
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
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/query.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recording_upstream.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class SequentialForwarderTest : public ::testing::Test, public ForwardClient {
 public:
  [[nodiscard]] const Query& query() const override { return query_; }
  [[nodiscard]] bool is_wanted() const override { return wanted_; }
  [[nodiscard]] bool is_repeated() const override { return false; }
  void on_forwarded(ForwardResult result) override { result_ = std::move(result); }

 protected:
  void make(int servers, const SequentialForwarder::Options& options = {}) {
    std::vector<std::unique_ptr<Upstream>> upstreams;
    for (int i = 0; i < servers; ++i) {
      upstreams.push_back(std::make_unique<support::RecordingUpstream>(
          SocketAddress{.ip = {}, .port = static_cast<std::uint16_t>(i)}, asked_));
    }
    forwarder_ = std::make_unique<SequentialForwarder>(
        std::move(upstreams), options,
        SequentialForwarder::Environment{.clock = clock_, .health = health_, .loops = loops_});
  }
  void forward() { forwarder_->forward(*this); }
  // Ends the attempt under way.
  void end(AttemptResult result) { asked_.back().end(std::move(result)); }
  void time_out() {
    clock_.advance(asked_.back().deadline);
    end({AttemptStatus::kTimeout, 0, {}});
  }
  void reply(std::uint16_t rcode, std::uint8_t mark = 1) {
    end({AttemptStatus::kReply, rcode, {mark}});
  }
  [[nodiscard]] std::vector<int> servers_asked() const {
    std::vector<int> servers;
    for (const auto& attempt : asked_) {
      servers.push_back(attempt.server.port);
    }
    return servers;
  }

  support::ManualClock clock_;
  MetricRegistry registry_;
  ForwardMetrics metrics_{registry_};
  std::unique_ptr<Logs> logs_ = Logs::create({.level = "off"}).value();
  HealthBook health_;
  LoopGuard loops_{clock_, logs_->logger("fwd"), metrics_};
  Query query_;
  bool wanted_ = true;
  support::AttemptRecord asked_;
  std::optional<ForwardResult> result_;
  std::unique_ptr<SequentialForwarder> forwarder_;
};

TEST_F(SequentialForwarderTest, AsksTheFirstServerAloneWhileItHasTime) {
  make(2);
  forward();
  EXPECT_THAT(servers_asked(), ElementsAre(0));
  EXPECT_FALSE(result_.has_value());
  reply(0, 42);
  ASSERT_TRUE(result_.has_value());
  EXPECT_EQ(result_->status, ForwardStatus::kReply);
  EXPECT_THAT(result_->reply, ElementsAre(42));
  EXPECT_THAT(servers_asked(), ElementsAre(0));
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
  forward();
  end(GetParam().result);
  EXPECT_EQ(servers_asked().size(), GetParam().next_server ? 2U : 1U);
  EXPECT_EQ(result_.has_value(), !GetParam().next_server);
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
                      FailureCase{"Timeout", {AttemptStatus::kTimeout, 0, {}}, true},
                      FailureCase{"Network", {AttemptStatus::kNetworkError, 0, {}}, true}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(SequentialForwarderTest, FitsThreeSilentServersUnderAStubsFiveSeconds) {
  make(3);
  forward();
  const TimePoint start = clock_.now();
  while (!result_.has_value()) {
    time_out();
  }
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1, 2));
  EXPECT_EQ(result_->status, ForwardStatus::kTimeout);
  EXPECT_LT(clock_.now() - start, std::chrono::seconds(5));
}

TEST_F(SequentialForwarderTest, AsksASilentServerAgainInLaterRounds) {
  make(1);
  forward();
  time_out();
  time_out();
  EXPECT_THAT(servers_asked(), ElementsAre(0, 0, 0));
  reply(0);
  EXPECT_EQ(result_.value().status, ForwardStatus::kReply);
}

TEST_F(SequentialForwarderTest, DoesNotAskAServerAgainThatSpokeOrRefused) {
  make(3, {.attempt_timeout = milliseconds(100), .total_timeout = milliseconds(1000), .rounds = 3});
  forward();
  reply(2);
  end({AttemptStatus::kNetworkError, 0, {}});
  time_out();
  time_out();
  time_out();
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1, 2, 2, 2));
  EXPECT_TRUE(result_.has_value());
}

TEST_F(SequentialForwarderTest, PassesTheFirstErrorReplyWhenAllFail) {
  make(3, {.attempt_timeout = milliseconds(100), .total_timeout = milliseconds(1000), .rounds = 1});
  forward();
  time_out();
  reply(5, 55);
  reply(2, 22);
  ASSERT_TRUE(result_.has_value());
  EXPECT_EQ(result_->status, ForwardStatus::kReply);
  EXPECT_THAT(result_->reply, ElementsAre(55));
}

TEST_F(SequentialForwarderTest, TellsUnreachableServersFromSilentOnes) {
  make(2);
  forward();
  end({AttemptStatus::kNetworkError, 0, {}});
  end({AttemptStatus::kNetworkError, 0, {}});
  EXPECT_EQ(result_.value().status, ForwardStatus::kNetworkError);
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1));
}

TEST_F(SequentialForwarderTest, CutsTheLastAttemptToTheTimeThatIsLeft) {
  make(2,
       {.attempt_timeout = milliseconds(1000), .total_timeout = milliseconds(1500), .rounds = 9});
  forward();
  time_out();
  EXPECT_EQ(asked_.back().deadline, milliseconds(500));
  time_out();
  EXPECT_THAT(servers_asked(), ElementsAre(0, 1));
  EXPECT_EQ(result_.value().status, ForwardStatus::kTimeout);
}

TEST_F(SequentialForwarderTest, WithoutServersSaysSoAtOnce) {
  make(0);
  forward();
  EXPECT_EQ(result_.value().status, ForwardStatus::kNoUpstream);
}

TEST_F(SequentialForwarderTest, AsksNoFurtherServerForNobody) {
  make(2);
  forward();
  wanted_ = false;
  EXPECT_FALSE(result_.has_value());
  time_out();
  EXPECT_EQ(result_.value().status, ForwardStatus::kUnwanted);
  EXPECT_THAT(servers_asked(), ElementsAre(0));
}

}  // namespace
}  // namespace meshdns::dns
