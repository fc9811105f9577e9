#include "resolver/cache/answer_cache.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/sip_hash.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/stored_reply.h"
#include "resolver/wire/upstream_reply.h"
#include "tests/support/dns_message.h"
#include "tests/support/manual_clock.h"

namespace meshdns::dns {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using support::make_query;
using support::ManualClock;
using support::MessageBytes;
using support::Octets;

constexpr HashKey kKey{.first = 1, .second = 2};
constexpr unsigned kNoErrorFlags = 0x8180;
constexpr unsigned kNxDomainFlags = 0x8183;

Query query_for(std::string_view name, unsigned type, bool dnssec_ok = false) {
  Query query;
  const Octets octets =
      make_query(name, type,
                 {.edns = dnssec_ok ? std::optional<std::uint16_t>(1232) : std::nullopt,
                  .dnssec_ok = dnssec_ok});
  EXPECT_EQ(parse_query(octets, query), ParseStatus::kOk);
  return query;
}

CachedQuestion question_of(const Query& query) {
  return {.name = query.asked_name(),
          .type = query.qtype,
          .rrclass = query.qclass,
          .dnssec_ok = query.dnssec_ok,
          .checking_disabled = query.checking_disabled()};
}

Octets soa_rdata(std::uint32_t minimum) {
  return MessageBytes()
      .name("ns.example.")
      .name("root.example.")
      .u32(1)
      .u32(2)
      .u32(3)
      .u32(4)
      .u32(minimum)
      .bytes();
}

class Cache {
 public:
  explicit Cache(const CacheOptions& options = {}) : cache(options, kKey) {}

  void answer(std::string_view name, std::uint32_t ttl, unsigned type = rrtype::kA,
              const Octets& rdata = {192, 0, 2, 1}) {
    keep(query_for(name, type), MessageBytes()
                                    .header(1, kNoErrorFlags, 1, 1, 0, 0)
                                    .question(name, type)
                                    .record(name, type, ttl, rdata)
                                    .bytes());
  }
  void deny(std::string_view name, unsigned flags, std::uint32_t soa_ttl, std::uint32_t minimum,
            bool dnssec_ok = false) {
    keep(query_for(name, rrtype::kA, dnssec_ok),
         MessageBytes()
             .header(1, flags, 1, 0, 1, 0)
             .question(name, rrtype::kA)
             .record("example.", rrtype::kSoa, soa_ttl, soa_rdata(minimum))
             .bytes());
  }
  void keep(const Query& query, const Octets& reply) {
    StoredReply stored;
    std::vector<std::uint8_t> scratch(kMaxMessageOctets);
    const auto [status, facts] = store_reply(reply, query, scratch, stored);
    ASSERT_EQ(status, RebuildStatus::kOk);
    cache.store(question_of(query), facts, clock.now(), stored);
  }
  void fail(std::string_view name, unsigned type = rrtype::kA) {
    cache.store_failure(question_of(query_for(name, type)), rcode::kServFail, clock.now());
  }
  CacheHit find(std::string_view name, unsigned type = rrtype::kA, bool dnssec_ok = false) {
    const Query query = query_for(name, type, dnssec_ok);
    return cache.find(question_of(query), clock.now(), found);
  }
  Freshness freshness(std::string_view name, unsigned type = rrtype::kA, bool dnssec_ok = false) {
    return find(name, type, dnssec_ok).freshness;
  }

  ManualClock clock;
  AnswerCache cache;
  StoredReply found;
};

TEST(AnswerCache, TellsAnAnswerAsLongAsItsTtl) {
  Cache cache;
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kMiss);
  cache.answer("www.example.", 60);
  EXPECT_EQ(cache.freshness("WWW.example."), Freshness::kFresh);
  EXPECT_EQ(cache.freshness("www.example.", rrtype::kAaaa), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("www.example.", rrtype::kA, true), Freshness::kMiss);
  cache.clock.advance(milliseconds(59'999));
  const CacheHit hit = cache.find("www.example.");
  EXPECT_EQ(hit.freshness, Freshness::kFresh);
  EXPECT_EQ(hit.age, 59);
  cache.clock.advance(milliseconds(1));
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kStale);
  cache.clock.advance(hours(24));
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kMiss);
  EXPECT_EQ(cache.cache.stats().entries, 0);
}

TEST(AnswerCache, GivesBackTheReplyOctetForOctet) {
  Cache cache;
  cache.answer("www.example.", 60, 65280, {0xc0, 0x0c, 0, 255});
  ASSERT_EQ(cache.freshness("www.example.", 65280), Freshness::kFresh);
  const StoredReply first = cache.found;
  cache.answer("other.example.", 60);
  ASSERT_EQ(cache.freshness("www.example.", 65280), Freshness::kFresh);
  EXPECT_EQ(cache.found.message, first.message);
  EXPECT_EQ(cache.found.ttl_offsets, first.ttl_offsets);
  ASSERT_EQ(first.ttl_offsets.size(), 1);
  EXPECT_EQ(first.message[first.ttl_offsets[0] + 3U], 60);
}

TEST(AnswerCache, DoesNotKeepWhatMayNotBeKept) {
  Cache cache;
  cache.answer("zero.example.", 0);
  EXPECT_EQ(cache.freshness("zero.example."), Freshness::kMiss);
  // A denial without SOA (RFC 2308 section 5).
  cache.keep(
      query_for("bare.example.", rrtype::kA),
      MessageBytes().header(1, kNxDomainFlags, 1, 0, 0, 0).question("bare.example.", 1).bytes());
  EXPECT_EQ(cache.freshness("bare.example."), Freshness::kMiss);
  cache.keep(query_for("refused.example.", rrtype::kA),
             MessageBytes().header(1, 0x8185, 1, 0, 0, 0).question("refused.example.", 1).bytes());
  EXPECT_EQ(cache.freshness("refused.example."), Freshness::kMiss);
}

TEST(AnswerCache, KeepsTtlsWithinItsBounds) {
  Cache cache({.min_ttl = seconds(5), .max_ttl = seconds(100), .max_denial_ttl = seconds(50)});
  struct Row {
    std::string_view name;
    std::uint32_t ttl;
    seconds kept;
  };
  for (const Row& row :
       {Row{"zero.example.", 0, seconds(5)}, Row{"low.example.", 1, seconds(5)},
        Row{"middle.example.", 70, seconds(70)}, Row{"high.example.", 0x7fffffff, seconds(100)}}) {
    SCOPED_TRACE(row.name);
    cache.answer(row.name, row.ttl);
    cache.clock.advance(row.kept - seconds(1));
    EXPECT_EQ(cache.freshness(row.name), Freshness::kFresh);
    cache.clock.advance(seconds(1));
    EXPECT_EQ(cache.freshness(row.name), Freshness::kStale);
  }
  cache.deny("gone.example.", kNxDomainFlags, 1000, 1000);
  cache.clock.advance(seconds(49));
  EXPECT_EQ(cache.freshness("gone.example."), Freshness::kFresh);
  cache.clock.advance(seconds(1));
  EXPECT_EQ(cache.freshness("gone.example."), Freshness::kStale);
}

TEST(AnswerCache, KeepsADenialForTheLesserOfTtlAndMinimum) {
  Cache cache;
  cache.deny("a.example.", kNxDomainFlags, 30, 300);
  cache.deny("b.example.", kNxDomainFlags, 300, 20);
  cache.deny("c.example.", kNoErrorFlags, 300, 10);
  cache.clock.advance(seconds(9));
  EXPECT_EQ(cache.freshness("c.example."), Freshness::kFresh);
  cache.clock.advance(seconds(1));
  EXPECT_EQ(cache.freshness("c.example."), Freshness::kStale);
  cache.clock.advance(seconds(9));
  EXPECT_EQ(cache.freshness("b.example."), Freshness::kFresh);
  cache.clock.advance(seconds(1));
  EXPECT_EQ(cache.freshness("b.example."), Freshness::kStale);
  cache.clock.advance(seconds(9));
  EXPECT_EQ(cache.freshness("a.example."), Freshness::kFresh);
  cache.clock.advance(seconds(1));
  EXPECT_EQ(cache.freshness("a.example."), Freshness::kStale);
}

// Of others it says nothing: `prod.internal` may be a zone of servers that upstream knows, where
// the root's deny `internal`.
TEST(AnswerCache, ADeniedNameDeniesAllItsTypesAndNoOtherName) {
  Cache cache;
  cache.deny("gone.sub.example.", kNxDomainFlags, 300, 300);
  EXPECT_EQ(cache.freshness("gone.sub.example.", rrtype::kMx), Freshness::kFresh);
  EXPECT_EQ(cache.freshness("a.b.gone.sub.example."), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("a.gone.sub.example."), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("sub.example."), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("xgone.sub.example."), Freshness::kMiss);
}

TEST(AnswerCache, ANameIsDeniedHoweverManyLabelsItHas) {
  Cache cache;
  std::string name = "example.";
  for (std::size_t labels = 1; labels < 120; ++labels) {
    name.insert(0, "a.");
    if (labels % 20 == 3) {
      EXPECT_EQ(cache.freshness(name, rrtype::kMx), Freshness::kMiss) << name;
      cache.deny(name, kNxDomainFlags, 300, 300);
      EXPECT_EQ(cache.freshness(name, rrtype::kMx), Freshness::kFresh) << name;
    }
  }
}

TEST(AnswerCache, ADenialWithProofsIsKeptApart) {
  Cache cache;
  cache.deny("gone.example.", kNxDomainFlags, 300, 300, true);
  EXPECT_EQ(cache.freshness("gone.example.", rrtype::kMx, true), Freshness::kFresh);
  EXPECT_EQ(cache.freshness("gone.example."), Freshness::kMiss);
}

TEST(AnswerCache, ANewAnswerEndsTheDenialOfItsName) {
  Cache cache;
  cache.deny("late.example.", kNxDomainFlags, 300, 300);
  cache.answer("late.example.", 60, rrtype::kAaaa, Octets(16));
  EXPECT_EQ(cache.freshness("late.example."), Freshness::kMiss);
}

TEST(AnswerCache, AnAliasToNowhereIsNoDenialOfItsName) {
  Cache cache;
  const Octets target = MessageBytes().name("gone.example.").bytes();
  cache.keep(query_for("alias.example.", rrtype::kA),
             MessageBytes()
                 .header(1, kNxDomainFlags, 1, 1, 1, 0)
                 .question("alias.example.", 1)
                 .record("alias.example.", rrtype::kCname, 100, target)
                 .record("example.", rrtype::kSoa, 50, soa_rdata(300))
                 .bytes());
  EXPECT_EQ(cache.freshness("alias.example."), Freshness::kFresh);
  EXPECT_EQ(cache.freshness("alias.example.", rrtype::kMx), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("below.alias.example."), Freshness::kMiss);
  cache.clock.advance(seconds(50));
  EXPECT_EQ(cache.freshness("alias.example."), Freshness::kStale);
}

// RFC 9520 section 3.2.
TEST(AnswerCache, FailuresAreKeptForEverLongerButShortly) {
  Cache cache;
  for (const int kept : {1, 2, 4, 5, 5}) {
    SCOPED_TRACE(kept);
    cache.fail("www.example.");
    cache.clock.advance(seconds(kept) - milliseconds(1));
    const CacheHit hit = cache.find("www.example.");
    EXPECT_EQ(hit.freshness, Freshness::kFailure);
    EXPECT_EQ(hit.rcode, rcode::kServFail);
    cache.clock.advance(milliseconds(1));
    EXPECT_EQ(cache.freshness("www.example."), Freshness::kMiss);
  }
  EXPECT_EQ(cache.freshness("www.example.", rrtype::kAaaa), Freshness::kMiss);
  cache.clock.advance(seconds(60));
  cache.fail("www.example.");
  cache.clock.advance(seconds(1));
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kMiss);
}

TEST(AnswerCache, AFailureNeverReplacesAnAnswer) {
  Cache cache;
  cache.answer("www.example.", 60);
  cache.fail("www.example.");
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kFresh);
  cache.clock.advance(seconds(61));
  EXPECT_FALSE(cache.find("www.example.").refresh_failed);
  cache.fail("www.example.");
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kStale);
  EXPECT_TRUE(cache.find("www.example.").refresh_failed);
  cache.clock.advance(seconds(30));
  EXPECT_FALSE(cache.find("www.example.").refresh_failed) << "upstream may be asked again";
  // And a failure gives way to an answer.
  cache.fail("new.example.");
  cache.answer("new.example.", 60);
  EXPECT_EQ(cache.freshness("new.example."), Freshness::kFresh);
}

TEST(AnswerCache, AFreshDenialComesBeforeAStaleAnswer) {
  Cache cache;
  cache.answer("www.example.", 60);
  cache.clock.advance(seconds(61));
  cache.deny("www.example.", kNxDomainFlags, 100, 100);
  ASSERT_EQ(cache.freshness("www.example."), Freshness::kFresh);
  EXPECT_EQ(cache.found.rcode(), rcode::kNxDomain);
}

// RFC 8767 section 4: NXDOMAIN refreshes what is kept as any answer does.
TEST(AnswerCache, AStaleAnswerIsNotToldOverANewerDenial) {
  Cache cache;
  cache.answer("www.example.", 60);
  cache.answer("www.example.", 60, rrtype::kAaaa, Octets(16));
  cache.clock.advance(seconds(61));
  cache.deny("www.example.", kNxDomainFlags, 100, 100);
  cache.clock.advance(seconds(101));
  const std::array<unsigned, 2> types{rrtype::kA, rrtype::kAaaa};
  for (const unsigned type : types) {
    ASSERT_EQ(cache.freshness("www.example.", type), Freshness::kStale);
    EXPECT_EQ(cache.found.rcode(), rcode::kNxDomain);
  }
  cache.fail("www.example.", rrtype::kAaaa);
  for (const unsigned type : types) {
    EXPECT_TRUE(cache.find("www.example.", type).refresh_failed) << "upstream is asked on and on";
  }
  cache.answer("www.example.", 60);
  cache.clock.advance(seconds(61));
  ASSERT_EQ(cache.freshness("www.example."), Freshness::kStale);
  EXPECT_EQ(cache.found.rcode(), rcode::kNoError) << "the newest word";
}

TEST(AnswerCache, AStaleAnswerDoesNotComeBackWhenTheDenialThatEndedItIsEvicted) {
  Cache cache({.max_octets = std::size_t{256} << 10U});
  cache.answer("www.example.", 60);
  // Asked for again, it outlives others.
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kFresh);
  cache.clock.advance(seconds(61));
  cache.deny("www.example.", kNxDomainFlags, 100, 100);
  for (int i = 0; i < 5000; ++i) {
    cache.answer("flood" + std::to_string(i) + ".example.", 60);
  }
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kMiss);
}

// What upstream said last is the truth, whether it may be kept or not.
TEST(AnswerCache, AStaleAnswerIsNotToldOverANewerReplyThatMayNotBeKept) {
  const auto is_told = [](Cache& cache) {
    cache.fail("www.example.");
    return cache.freshness("www.example.") == Freshness::kStale;
  };
  const auto aged = [](Cache& cache) {
    cache.answer("www.example.", 60);
    cache.clock.advance(seconds(61));
  };
  {
    Cache cache;
    aged(cache);
    EXPECT_TRUE(is_told(cache));
  }
  {
    Cache cache;
    aged(cache);
    cache.answer("www.example.", 0, rrtype::kA, {192, 0, 2, 2});
    EXPECT_FALSE(is_told(cache)) << "a TTL of 0";
  }
  for (const unsigned flags : {kNxDomainFlags, kNoErrorFlags}) {
    Cache cache;
    aged(cache);
    cache.keep(query_for("www.example.", rrtype::kA),
               MessageBytes().header(1, flags, 1, 0, 0, 0).question("www.example.", 1).bytes());
    EXPECT_FALSE(is_told(cache)) << "a denial without SOA";
  }
  Cache cache;
  cache.deny("www.example.", kNxDomainFlags, 60, 60);
  cache.clock.advance(seconds(61));
  cache.answer("www.example.", 0);
  EXPECT_FALSE(is_told(cache)) << "the denial of a name that is there";
}

TEST(AnswerCache, OneOfThoseWhoAskForAPopularNameRefreshesIt) {
  Cache cache;
  cache.answer("popular.example.", 100);
  cache.answer("lonely.example.", 100);
  EXPECT_FALSE(cache.find("popular.example.").refresh);
  cache.clock.advance(seconds(91));
  EXPECT_FALSE(cache.find("lonely.example.").refresh);
  EXPECT_TRUE(cache.find("popular.example.").refresh);
  EXPECT_FALSE(cache.find("popular.example.").refresh);
  cache.answer("popular.example.", 100);
  EXPECT_FALSE(cache.find("popular.example.").refresh);
  EXPECT_EQ(cache.find("popular.example.").age, 0);
}

TEST(AnswerCache, AFloodOfRandomNamesCostsItsBoundAndNoPopularName) {
  constexpr std::size_t kBound = std::size_t{2} << 20U;
  constexpr int kPopular = 500;
  constexpr int kFlood = 100'000;
  Cache cache({.max_octets = kBound});
  const auto popular = [](int number) {
    return "p" + std::to_string(number) + ".popular.example.";
  };
  const auto ask = [&](const std::string& name) {
    const bool is_hit = cache.freshness(name) == Freshness::kFresh;
    if (!is_hit) {
      cache.answer(name, 86400);
    }
    return is_hit;
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kPopular; ++i) {
      ask(popular(i));
    }
  }
  std::mt19937_64 engine(11);
  int hits = 0;
  for (int i = 0; i < kFlood; ++i) {
    ask("x" + std::to_string(engine()) + ".flood.example.");
    if (i % 20 == 0) {
      hits += ask(popular(i / 20 % kPopular)) ? 1 : 0;
    }
    ASSERT_LE(cache.cache.stats().octets, kBound);
  }
  EXPECT_GE(hits, kFlood / 20 * 99 / 100);
  EXPECT_GT(cache.cache.stats().octets, kBound * 8 / 10) << "the room is used";
  EXPECT_GT(cache.cache.stats().evictions, kFlood / 2);
}

TEST(AnswerCache, WhoComesBackSoonAfterItWentStaysLonger) {
  constexpr std::size_t kBound = std::size_t{1} << 20U;
  Cache cache({.max_octets = kBound});
  // A loop over more names than there is room for: plain FIFO and LRU would never hit.
  constexpr int kNames = 6000;
  int hits = 0;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < kNames; ++i) {
      const std::string name = "n" + std::to_string(i) + ".example.";
      if (cache.freshness(name) == Freshness::kFresh) {
        ++hits;
      } else {
        cache.answer(name, 86400);
      }
    }
  }
  EXPECT_GT(hits, kNames / 2);
}

TEST(AnswerCache, AReplyTooLargeForItsRoomIsLeftOut) {
  Cache cache({.max_octets = std::size_t{1} << 20U});
  cache.answer("small.example.", 60);
  cache.answer("large.example.", 60, 65280, Octets(30'000));
  EXPECT_EQ(cache.freshness("large.example.", 65280), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("small.example."), Freshness::kFresh);
}

TEST(AnswerCache, WithoutRoomNothingIsKept) {
  Cache cache({.max_octets = 0});
  cache.answer("www.example.", 60);
  cache.fail("failed.example.");
  EXPECT_EQ(cache.freshness("www.example."), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("failed.example."), Freshness::kMiss);
  EXPECT_EQ(cache.cache.stats().entries, 0);
}

TEST(AnswerCache, ForgetsANameOrAllBelow) {
  Cache cache;
  for (const std::string_view name : {"example.", "a.example.", "b.a.example.", "xa.example."}) {
    cache.answer(name, 60);
  }
  cache.answer("a.example.", 60, rrtype::kAaaa, Octets(16));
  const Name name = Name::from_text("A.example.").value();
  EXPECT_EQ(cache.cache.flush(name, false), 2);
  EXPECT_EQ(cache.freshness("a.example."), Freshness::kMiss);
  EXPECT_EQ(cache.freshness("b.a.example."), Freshness::kFresh);
  EXPECT_EQ(cache.cache.flush(name, true), 1);
  EXPECT_EQ(cache.cache.flush(NameView(), true), 2);
  const CacheStats stats = cache.cache.stats();
  EXPECT_EQ(stats.entries, 0);
  EXPECT_EQ(stats.evictions, 0);
}

TEST(AnswerCache, ShowsWhatItHolds) {
  Cache cache;
  cache.answer("www.example.", 60);
  cache.fail("failed.example.");
  cache.clock.advance(seconds(10));
  std::vector<std::string> shown;
  std::size_t octets = 0;
  for (std::size_t shard = 0; shard < AnswerCache::kShards; ++shard) {
    cache.cache.for_each(shard, cache.clock.now(), [&](const CacheItem& item) {
      shown.push_back(item.question.name.to_text() + " " + std::to_string(item.left.count()));
      octets += item.octets;
    });
  }
  std::ranges::sort(shown);
  EXPECT_EQ(shown, (std::vector<std::string>{"failed.example. -9", "www.example. 50"}));
  EXPECT_LE(octets, cache.cache.stats().octets);
}

}  // namespace
}  // namespace meshdns::dns
