#include "discovery/xds/unfinished_requests.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/xds/watch_pace.h"

namespace meshdns::discovery {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kMebi = 1UL << 20U;

class FakeCall final : public RequestingCall {
 public:
  void ask_for_sign_of_life() override {}
  void cut(const Error& /*reason*/) override {}
  void finish_request(std::size_t octets) { note_request(octets); }
};

// A connection on which octets come as a test says.
class FakeConnection {
 public:
  FakeConnection(UnfinishedRequests& requests, int number)
      : requests_(requests), address_("192.0.2.1:" + std::to_string(1000 + number)) {
    requests.add_connection(SocketAddress::parse(address_).value(),
                            [octets = octets_] { return *octets; });
  }

  std::shared_ptr<FakeCall> open() {
    auto call = std::make_shared<FakeCall>();
    requests_.add_call("ipv4:" + address_, call);
    return call;
  }
  void end(const std::shared_ptr<FakeCall>& call) {
    requests_.remove_call("ipv4:" + address_, call.get());
  }
  void receive(std::uint64_t octets) { *octets_ = octets_->value_or(0) + octets; }
  void close() { octets_->reset(); }
  // Octets that are a request of the call, and those that HTTP/2 adds.
  void receive_request(FakeCall& call, std::size_t octets) {
    receive(octets + 14);
    call.finish_request(octets);
  }
  [[nodiscard]] SocketAddress address() const { return SocketAddress::parse(address_).value(); }

 private:
  UnfinishedRequests& requests_;
  std::string address_;
  std::shared_ptr<std::optional<std::uint64_t>> octets_ =
      std::make_shared<std::optional<std::uint64_t>>(0);
};

class UnfinishedRequestsTest : public testing::Test {
 protected:
  UnfinishedRequests::Findings look(std::chrono::milliseconds after = 1s) {
    now_ += after;
    return requests_.look(now_);
  }

  UnfinishedRequests requests_{
      {.octets_of_one = 80 * kMebi, .octets_of_all = 200 * kMebi, .patience = 30s}};
  UnfinishedRequests::Time now_;
};

TEST_F(UnfinishedRequestsTest, WhoFinishesItsRequestsIsNeverFoundHoweverMuchItBrings) {
  FakeConnection connection(requests_, 1);
  const auto call = connection.open();
  for (int i = 0; i < 1000; ++i) {
    connection.receive_request(*call, 10 * kMebi);
    const auto findings = look();
    EXPECT_THAT(findings.to_cut, IsEmpty());
    EXPECT_THAT(findings.to_ask, IsEmpty());
  }
}

TEST_F(UnfinishedRequestsTest, ALargeRequestMayTakeItsTime) {
  FakeConnection connection(requests_, 1);
  const auto call = connection.open();
  for (int i = 0; i < 45; ++i) {
    connection.receive(kMebi);
    EXPECT_THAT(look().to_cut, IsEmpty());
  }
  connection.receive(100'000);
  call->finish_request(45 * kMebi);
  connection.receive_request(*call, 20);
  look();
  connection.receive_request(*call, 20);
  EXPECT_THAT(look(1h).to_ask, IsEmpty());
  EXPECT_THAT(look(1h).to_ask, IsEmpty());
}

TEST_F(UnfinishedRequestsTest, OneConnectionMayNotBringMoreHoweverManyCallsItHas) {
  FakeConnection connection(requests_, 1);
  const auto first = connection.open();
  const auto second = connection.open();
  connection.receive(81 * kMebi);
  const auto findings = look();
  ASSERT_THAT(findings.to_cut, SizeIs(1));
  EXPECT_EQ(findings.to_cut[0].peer, connection.address());
  EXPECT_THAT(findings.to_cut[0].calls, ElementsAre(first, second));
  EXPECT_EQ(findings.to_cut[0].reason.code, ErrorCode::kExhausted);
  EXPECT_THAT(findings.to_cut[0].reason.message, HasSubstr("84934656 octets of requests"));

  // As long as one of them is there.
  connection.end(first);
  const auto third = connection.open();
  ASSERT_THAT(look().to_cut, SizeIs(1));
  connection.end(second);
  EXPECT_THAT(look().to_cut, IsEmpty());
}

// Whoever sends small requests on one call is not believed of another.
TEST_F(UnfinishedRequestsTest, ACallThatSpeaksHidesNoOther) {
  FakeConnection connection(requests_, 1);
  const auto silent = connection.open();
  const auto speaking = connection.open();
  silent->finish_request(10);
  bool is_found = false;
  for (int i = 0; i < 90; ++i) {
    connection.receive(kMebi);
    connection.receive_request(*speaking, 10);
    is_found = is_found || !look(100ms).to_cut.empty();
  }
  EXPECT_TRUE(is_found);
}

// What was finished just after a look may have come before it, which is no credit for later.
TEST_F(UnfinishedRequestsTest, WhatWasFinishedLateHidesNothing) {
  FakeConnection connection(requests_, 1);
  const auto call = connection.open();
  call->finish_request(10);
  look();
  for (int i = 0; i < 3; ++i) {
    connection.receive(70 * kMebi);
    EXPECT_THAT(look(100ms).to_cut, IsEmpty()) << i;
    call->finish_request(70 * kMebi);
    look(100ms);
  }
  connection.receive(81 * kMebi);
  EXPECT_THAT(look(100ms).to_cut, SizeIs(1));
}

TEST_F(UnfinishedRequestsTest, OfAllTogetherWhoStoppedMakesRoomForWhoGoesOn) {
  FakeConnection stopped(requests_, 1);
  FakeConnection going_on(requests_, 2);
  FakeConnection newcomer(requests_, 3);
  const auto hog = stopped.open();
  stopped.receive(79 * kMebi);
  look();
  look(10s);
  const auto honest = going_on.open();
  const auto late = newcomer.open();
  for (int i = 0; i < 60; ++i) {
    going_on.receive(kMebi);
    newcomer.receive(kMebi);
    EXPECT_THAT(look(100ms).to_cut, IsEmpty()) << i;
  }
  going_on.receive(2 * kMebi);
  const auto findings = look(100ms);
  ASSERT_THAT(findings.to_cut, SizeIs(1));
  EXPECT_THAT(findings.to_cut[0].calls, ElementsAre(hog));
}

TEST_F(UnfinishedRequestsTest, WhoIsSilentIsAskedForASignOfLifeAndCutWithoutOne) {
  FakeConnection connection(requests_, 1);
  const auto call = connection.open();
  call->finish_request(10);
  look();
  connection.receive(kMebi);
  EXPECT_THAT(look().to_ask, IsEmpty());
  EXPECT_THAT(look(31s).to_ask, ElementsAre(call));
  EXPECT_THAT(look(29s).to_cut, IsEmpty());
  const auto findings = look(2s);
  ASSERT_THAT(findings.to_cut, SizeIs(1));
  EXPECT_THAT(findings.to_cut[0].calls, ElementsAre(call));
}

// Years of pings.
TEST_F(UnfinishedRequestsTest, WhoGivesASignOfLifeStays) {
  FakeConnection connection(requests_, 1);
  const auto call = connection.open();
  call->finish_request(10);
  int asked = 0;
  for (int i = 0; i < 10'000; ++i) {
    connection.receive(std::uint64_t{17} * 120);
    const auto findings = look(1h);
    EXPECT_THAT(findings.to_cut, IsEmpty()) << i;
    if (!findings.to_ask.empty()) {
      ++asked;
      connection.receive_request(*call, 100);
      EXPECT_THAT(look(5s).to_cut, IsEmpty()) << i;
    }
  }
  EXPECT_GE(asked, 10);
  EXPECT_LE(asked, 200);
}

// The others of its connection are not cut with it.
TEST_F(UnfinishedRequestsTest, WhoSpokeSinceItWasAskedIsNotCut) {
  FakeConnection connection(requests_, 1);
  const auto silent = connection.open();
  const auto speaking = connection.open();
  look();
  connection.receive(kMebi);
  look();
  EXPECT_THAT(look(31s).to_ask, ElementsAre(silent, speaking));
  connection.receive_request(*speaking, 10);
  const auto findings = look(31s);
  ASSERT_THAT(findings.to_cut, SizeIs(1));
  EXPECT_THAT(findings.to_cut[0].calls, ElementsAre(silent));
}

TEST_F(UnfinishedRequestsTest, AConnectionThatIsClosedIsForgotten) {
  FakeConnection connection(requests_, 1);
  const auto call = connection.open();
  connection.receive(100 * kMebi);
  connection.close();
  EXPECT_THAT(look().to_cut, IsEmpty());
  connection.end(call);
  EXPECT_THAT(look().to_cut, IsEmpty());
}

TEST(WatchPace, LooksSeldomUnlessTheProcessGrows) {
  WatchPace pace;
  std::chrono::steady_clock::time_point now;
  EXPECT_TRUE(pace.is_due(now, 100 * kMebi));
  now += 1s;
  EXPECT_FALSE(pace.is_due(now, 110 * kMebi));
  EXPECT_TRUE(pace.is_due(now, 116 * kMebi));
  EXPECT_FALSE(pace.is_due(now, 90 * kMebi));
  EXPECT_TRUE(pace.is_due(now, 106 * kMebi)) << "memory that was free in between";
  now += 5s;
  EXPECT_TRUE(pace.is_due(now, 106 * kMebi));
  EXPECT_TRUE(pace.is_due(now, 0)) << "unknown";
}

}  // namespace
}  // namespace meshdns::discovery
