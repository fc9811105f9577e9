#include "resolver/resolve/resolver.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/forward/upstream.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/support/dns_message.h"
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

const IpAddress kClient = IpAddress::parse("192.0.2.77").value();
const SocketAddress kFirstServer = SocketAddress::parse("192.0.2.1:53").value();
const SocketAddress kSecondServer = SocketAddress::parse("192.0.2.2:53").value();

// What reached one client.
struct Received {
  JudgedMessage message;
  std::size_t size = 0;
  std::uint8_t rcode = 0;
  std::chrono::nanoseconds elapsed{0};
};

Octets address_reply(const std::string& name, unsigned count = 1) {
  MessageBytes bytes;
  bytes.header(0x9999, 0x8180, 1, count, 0, 0).question(name, rrtype::kA);
  for (unsigned i = 0; i < count; ++i) {
    bytes.record(name, rrtype::kA, 60,
                 Octets{192, 0, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i)});
  }
  return bytes.bytes();
}

class ResolverTest : public ::testing::Test {
 protected:
  void make(const InFlightLimits::Options& limits = {}, const Resolver::Options& options = {}) {
    limits_ = std::make_unique<InFlightLimits>(limits);
    resolver_ = std::make_unique<Resolver>(
        options,
        [this](const SocketAddress& server) {
          return std::make_unique<support::RecordingUpstream>(server, asked_);
        },
        *limits_, clock_);
    resolver_->set_upstreams(std::vector{kFirstServer, kSecondServer});
  }
  QuestionId resolve(const std::string& name, Transport transport = Transport::kUdp,
                     const support::QueryOptions& options = {}) {
    Query query;
    EXPECT_EQ(parse_query(support::make_query(name, rrtype::kA, options), query), ParseStatus::kOk);
    return resolver_->resolve(query, transport, kClient, [this](const ResolvedReply& reply) {
      const auto judged = support::judge(reply.message);
      ASSERT_TRUE(judged.has_value());
      received_.push_back({*judged, reply.message.size(), reply.rcode, reply.elapsed});
    });
  }
  void answer(std::size_t attempt, const Octets& reply, std::uint16_t rcode = 0) {
    asked_.at(attempt).end({AttemptStatus::kReply, rcode, reply});
  }

  support::ManualClock clock_;
  support::AttemptRecord asked_;
  std::vector<Received> received_;
  std::unique_ptr<InFlightLimits> limits_;
  std::unique_ptr<Resolver> resolver_;
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
  for (std::size_t i = 0; i < 3; ++i) {
    answer(i, address_reply("www.example.org", 100));
  }
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
  AttemptStatus first;
  AttemptStatus second;
  unsigned extended_error;
};
class ResolverFailure : public ResolverTest, public ::testing::WithParamInterface<FailureCase> {};

TEST_P(ResolverFailure, IsServFailWithItsReason) {
  make({}, {.forward = {.rounds = 1}});
  resolve("www.example.org", Transport::kUdp, {.edns = 1232});
  asked_.at(0).end({GetParam().first, 0, {}});
  asked_.at(1).end({GetParam().second, 0, {}});
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].message.rcode, rcode::kServFail);
  EXPECT_EQ(received_[0].message.extended_error.value().code, GetParam().extended_error);
}

INSTANTIATE_TEST_SUITE_P(Cases, ResolverFailure,
                         ::testing::Values(FailureCase{"Silent", AttemptStatus::kTimeout,
                                                       AttemptStatus::kTimeout, 22},
                                           FailureCase{"Unreachable", AttemptStatus::kNetworkError,
                                                       AttemptStatus::kNetworkError, 23},
                                           FailureCase{"Both", AttemptStatus::kTimeout,
                                                       AttemptStatus::kNetworkError, 22}),
                         [](const auto& tested) { return tested.param.name; });

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
  resolver_->set_upstreams({});
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
  asked_.at(0).end({AttemptStatus::kTimeout, 0, {}});
  EXPECT_THAT(asked_, SizeIs(1)) << "the second server was asked for nobody";
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
  resolver_->set_upstreams(std::vector{other});
  resolve("b.example.org");
  asked_.at(0).end({AttemptStatus::kNetworkError, 0, {}});
  EXPECT_EQ(asked_.at(1).server, other);
  EXPECT_EQ(asked_.at(2).server, kSecondServer);
  answer(2, address_reply("a.example.org"));
  resolver_->set_upstreams(std::vector{kFirstServer});
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

}  // namespace
}  // namespace meshdns::dns
