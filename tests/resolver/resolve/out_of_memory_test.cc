// What becomes of a question whose reply there is no memory for.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/forward/upstream.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/resolver.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/resolver/resolve/resolver_fixture.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/dns_message.h"

namespace meshdns::dns {
namespace {

using ::testing::SizeIs;

using OutOfMemory = ResolverFixture;

TEST_F(OutOfMemory, TheClientIsToldAndTheQuestionIsAskedAnew) {
  constexpr std::size_t kAddresses = 1500;
  make();
  resolve("www.example.org", Transport::kTcp);
  AttemptResult reply{AttemptStatus::kReply, 0, address_reply("www.example.org", kAddresses)};
  {
    const support::ShortMemory memory(10'000);
    asked_.at(0).end(std::move(reply));
  }
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].rcode, rcode::kServFail);
  EXPECT_EQ(resolver_->in_flight(), 0U);
  EXPECT_EQ(limits_->in_flight(), 0U);
  resolve("www.example.org", Transport::kTcp);
  ASSERT_THAT(asked_, SizeIs(2));
  answer(1, address_reply("www.example.org", kAddresses));
  ASSERT_THAT(received_, SizeIs(2));
  EXPECT_THAT(received_[1].message.answer, SizeIs(kAddresses));
}

TEST_F(OutOfMemory, AQuestionThatThereIsNoRoomForCountsAgainstNoLimit) {
  constexpr std::size_t kLessThanAQuestion = 300;
  make();
  const auto refused = [&](const std::string& name) {
    Query query;
    EXPECT_EQ(parse_query(support::make_query(name, rrtype::kA), query), ParseStatus::kOk);
    const support::ShortMemory memory(kLessThanAQuestion);
    try {
      resolver_->resolve(query, Transport::kUdp, kClient, CachedAnswers::Outcome::kNothing,
                         [](const ResolvedReply& /*reply*/) {});
    } catch (const std::bad_alloc&) {
      return true;
    }
    return false;
  };
  for (const char* const name : {"a.example.org", "b.example.org"}) {
    // The second time there is room for the client's own, and none for what it shares.
    EXPECT_TRUE(refused(name));
    EXPECT_EQ(resolver_->in_flight(), 0U);
    EXPECT_EQ(limits_->in_flight(), 0U);
    received_.clear();
    asked_.clear();
    resolve(name);
    ASSERT_THAT(asked_, SizeIs(1)) << "nobody waits for what was never asked";
    answer(0, address_reply(name));
    EXPECT_THAT(received_, SizeIs(1));
  }
  // Where the table of shared questions has a place for it, nothing is left there: the workers end.
  for (int i = 0; i < 100; ++i) {
    asked_.clear();
    resolve("c" + std::to_string(i) + ".example.org");
    answer(0, address_reply("c" + std::to_string(i) + ".example.org"));
    EXPECT_TRUE(refused("d" + std::to_string(i) + ".example.org"));
  }
}

// Whatever step of the asking there is no memory for.
TEST_F(OutOfMemory, NobodyWaitsForEverForWhatCouldNotBeAsked) {
  constexpr std::size_t kMost = 20'000;
  for (std::size_t most = 8; most < kMost; most += most / 8) {
    SCOPED_TRACE(most);
    make();
    // There is room for more clients, and none for another question on its way.
    for (int i = 0; i < 200; ++i) {
      resolve("equal.example.org");
    }
    answer(0, address_reply("equal.example.org"));
    constexpr int kOpen = 64;
    for (int i = 0; i < kOpen; ++i) {
      resolve("open" + std::to_string(i) + ".example.org");
    }
    received_.clear();
    Query query;
    ASSERT_EQ(parse_query(support::make_query("www.example.org", rrtype::kA), query),
              ParseStatus::kOk);
    std::size_t told = 0;
    std::size_t refused = 0;
    {
      const support::ShortMemory memory(most);
      try {
        resolver_->resolve(query, Transport::kUdp, kClient, CachedAnswers::Outcome::kNothing,
                           [&told](const ResolvedReply& /*reply*/) { ++told; });
      } catch (const std::bad_alloc&) {
        ++refused;
      }
    }
    resolve_at(*other_, "www.example.org");
    for (int i = 0; i < 2; ++i) {  // a failure that was kept is over then
      advance(std::chrono::seconds(6));
      run_posted();
    }
    EXPECT_LE(told + refused, 2U);
    EXPECT_GE(told + refused, 1U);
    EXPECT_EQ(received_.size(), kOpen + 1U) << "all are told, and another worker's client, too";
    EXPECT_EQ(resolver_->in_flight() + other_->in_flight(), 0U);
    EXPECT_EQ(limits_->in_flight(), 0U);
    asked_.clear();
  }
}

// Whatever step of the telling there is no memory for.
TEST_F(OutOfMemory, ClientsOfAllWorkersAreToldWhenThereIsMemoryAgain) {
  for (std::size_t most = 8; most < 2000; most += most / 4) {
    SCOPED_TRACE(most);
    make();
    asked_.clear();
    received_.clear();
    Query query;
    ASSERT_EQ(parse_query(support::make_query("www.example.org", rrtype::kA), query),
              ParseStatus::kOk);
    std::size_t told = 0;
    resolver_->resolve(query, Transport::kUdp, kClient, CachedAnswers::Outcome::kNothing,
                       [&told](const ResolvedReply& /*reply*/) { ++told; });
    resolve_at(*other_, "www.example.org");
    AttemptResult reply{AttemptStatus::kReply, 0, address_reply("www.example.org", 50)};
    {
      const support::ShortMemory memory(most);
      try {
        asked_.at(0).end(std::move(reply));
      } catch (const std::bad_alloc&) {  // as it says
      }
    }
    EXPECT_EQ(told, 1U);
    advance(std::chrono::seconds(1));
    run_posted();
    EXPECT_THAT(received_, SizeIs(1)) << "another worker's";
    EXPECT_EQ(resolver_->in_flight() + other_->in_flight(), 0U);
    EXPECT_EQ(limits_->in_flight(), 0U);
  }
}

// What is told instead of nothing takes memory, too.
TEST_F(OutOfMemory, WhoCannotBeToldAStaleAnswerIsToldOfTheFailure) {
  make();
  resolve("large.example.org", Transport::kTcp);
  answer(0, address_reply("large.example.org", 1500));
  resolve("small.example.org");
  answer(1, address_reply("small.example.org"));
  resolve_at(*resolver_, "small.example.org", Transport::kUdp, {}, rrtype::kAaaa);
  answer(2, support::MessageBytes()
                .header(0x9999, 0x8183, 1, 0, 1, 0)
                .question("small.example.org", rrtype::kAaaa)
                .record("org", rrtype::kSoa, 900,
                        support::MessageBytes()
                            .name("ns.org")
                            .name("root.org")
                            .u32(1)
                            .u32(2)
                            .u32(3)
                            .u32(4)
                            .u32(900)
                            .bytes())
                .bytes());
  clock_.advance(std::chrono::seconds(61));
  resolve("large.example.org", Transport::kTcp);
  resolve("small.example.org");  // denied, and with it goes the room that the large one had
  ASSERT_THAT(asked_, SizeIs(4));
  received_.clear();
  {
    const support::ShortMemory memory(10'000);
    asked_.at(3).end({AttemptStatus::kNetworkError, 0, {}});
    try {
      asked_.at(4).end({AttemptStatus::kNetworkError, 0, {}});
    } catch (const std::bad_alloc&) {  // as it says
    }
  }
  ASSERT_THAT(received_, SizeIs(1));
  EXPECT_EQ(received_[0].rcode, rcode::kServFail);
  EXPECT_EQ(limits_->in_flight(), 0U);
}

TEST_F(OutOfMemory, AnAnswerThatIsKeptIsToldThoughItCannotBeAskedForAnew) {
  for (std::size_t most = 8; most < 5000; most += most / 2) {
    SCOPED_TRACE(most);
    make();
    asked_.clear();
    resolve("www.example.org");
    answer(0, address_reply("www.example.org"));
    clock_.advance(std::chrono::seconds(55));
    resolve("www.example.org");
    Query query;
    ASSERT_EQ(parse_query(support::make_query("www.example.org", rrtype::kA), query),
              ParseStatus::kOk);
    std::vector<std::uint8_t> buffer(kMaxMessageOctets);
    CachedAnswers::Found found;
    {
      const support::ShortMemory memory(most);
      found = resolver_->find_cached(query, Transport::kUdp, buffer);
    }
    EXPECT_TRUE(found.refresh) << "it is popular, and ends soon";
    EXPECT_EQ(found.outcome, CachedAnswers::Outcome::kAnswered);
    advance(std::chrono::seconds(5));
    EXPECT_EQ(limits_->in_flight(), 0U);
  }
}

TEST_F(OutOfMemory, ARefusedQuestionCountsAgainstNobody) {
  InFlightLimits limits({});
  {
    const support::ShortMemory memory(1);
    EXPECT_THROW((void)limits.acquire(kClient), std::bad_alloc);
  }
  EXPECT_EQ(limits.in_flight(), 0U);
}

}  // namespace
}  // namespace meshdns::dns
