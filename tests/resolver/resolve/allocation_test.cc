// Answering with what is kept allocates nothing: counted by operator new itself.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "base/sip_hash.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/forward_client.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/metrics.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/dns_message.h"
#include "tests/support/manual_clock.h"

namespace meshdns::dns {
namespace {

using support::make_query;
using support::MessageBytes;
using support::Octets;

constexpr std::size_t kAnswers = 1'000'000;
constexpr HashKey kKey{.first = 1, .second = 2};
constexpr unsigned kNoErrorFlags = 0x8180;
constexpr unsigned kNxDomainFlags = 0x8183;

Query query_for(std::string_view name, unsigned type) {
  Query query;
  EXPECT_EQ(parse_query(make_query(name, type, {.edns = 1232}), query), ParseStatus::kOk);
  return query;
}

Octets answer_of(std::string_view name) {
  return MessageBytes()
      .header(1, kNoErrorFlags, 1, 1, 0, 0)
      .question(name, rrtype::kA)
      .record(name, rrtype::kA, 3600, Octets{192, 0, 2, 1})
      .bytes();
}

// NODATA or NXDOMAIN, by its flags.
Octets denial_of(std::string_view name, unsigned type, unsigned flags) {
  const Octets soa = MessageBytes()
                         .name("ns.example.")
                         .name("root.example.")
                         .u32(1)
                         .u32(2)
                         .u32(3)
                         .u32(4)
                         .u32(3600)
                         .bytes();
  return MessageBytes()
      .header(1, flags, 1, 0, 1, 0)
      .question(name, type)
      .record("example.", rrtype::kSoa, 3600, soa)
      .bytes();
}

TEST(Allocations, AreNotMadeByAnsweringWithWhatIsKept) {
  const support::ManualClock clock;
  MetricRegistry registry;
  ResolveMetrics metrics(registry);
  AnswerCache cache({}, kKey);
  CachedAnswers answers({}, cache, clock, metrics);
  std::vector<std::uint8_t> buffer(kMaxMessageOctets);
  const auto keep = [&](const Query& query, const Octets& reply) {
    (void)answers.take(query, {.status = ForwardStatus::kReply, .reply = reply}, true, buffer);
  };
  keep(query_for("www.example.", rrtype::kA), answer_of("www.example."));
  keep(query_for("www.example.", rrtype::kAaaa),
       denial_of("www.example.", rrtype::kAaaa, kNoErrorFlags));
  keep(query_for("nope.example.", rrtype::kA),
       denial_of("nope.example.", rrtype::kA, kNxDomainFlags));
  const std::array<Query, 4> asked{
      query_for("www.example.", rrtype::kA), query_for("www.example.", rrtype::kAaaa),
      query_for("nope.example.", rrtype::kA), query_for("nope.example.", rrtype::kAaaa)};
  const auto answer_all = [&] {
    std::size_t answered = 0;
    for (const Query& query : asked) {
      const auto found = answers.find(query, Transport::kUdp, buffer);
      answered += found.outcome == CachedAnswers::Outcome::kAnswered ? 1U : 0U;
    }
    return answered;
  };
  ASSERT_EQ(answer_all(), asked.size());  // the memory for a copy grows once

  std::size_t answered = 0;
  const std::size_t rounds = kAnswers / asked.size();
  const std::size_t before = support::allocation_count();
  for (std::size_t round = 0; round < rounds; ++round) {
    answered += answer_all();
  }

  EXPECT_EQ(support::allocation_count() - before, 0);
  EXPECT_EQ(answered, rounds * asked.size());
  EXPECT_GT(before, 0);  // the counter counts
}

}  // namespace
}  // namespace meshdns::dns
