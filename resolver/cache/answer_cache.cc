#include "resolver/cache/answer_cache.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/sip_hash.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/cache/cache_shard.h"
#include "resolver/wire/name.h"
#include "resolver/wire/stored_reply.h"

namespace meshdns::dns {
namespace {

CachedQuestion denial_of(CachedQuestion question) {
  question.type = kDenialType;
  return question;
}

std::uint64_t depth_bit(std::size_t labels) {
  return std::uint64_t{1} << std::min<std::size_t>(labels, 63);
}

}  // namespace

AnswerCache::AnswerCache(const CacheOptions& options, const HashKey& key)
    : options_(options), key_(key) {
  for (std::size_t i = 0; i < kShards; ++i) {
    shards_.push_back(
        std::make_unique<CacheShard>(options.max_octets / kShards, options.stale_for));
  }
}

AnswerCache::~AnswerCache() = default;

std::uint64_t AnswerCache::hash(NameView name) const { return sip_hash<1, 3>(key_, name.octets()); }

// The name's hash is secret and spread already: one multiplication by an odd number (of the golden
// ratio), and the upper half folded down, spread the rest.
std::uint64_t AnswerCache::hash(std::uint64_t name_hash, const CachedQuestion& question) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15U;
  const std::uint64_t rest = std::uint64_t{question.type} | std::uint64_t{question.rrclass} << 16U |
                             std::uint64_t{question.dnssec_ok} << 32U |
                             std::uint64_t{question.checking_disabled} << 33U;
  const std::uint64_t mixed = (name_hash ^ rest) * kOdd;
  return mixed ^ mixed >> 32U;
}

void AnswerCache::prefetch(const CachedQuestion& question) const {
  const std::uint64_t at = hash(question);
  shard_of(at).prefetch(at);
}

CacheHit AnswerCache::find(const CachedQuestion& question, TimePoint now, StoredReply& reply) {
  const std::uint64_t name_hash = hash(question.name);
  const std::uint64_t at = hash(name_hash, question);
  const CacheHit hit = shard_of(at).find(at, question, now, reply);
  if (hit.freshness == Freshness::kFresh || !may_be_denied(question.name.label_count())) {
    return hit;
  }
  // Where nothing is kept of the question itself, `reply` and its memory are free for its denial.
  const bool is_missing = hit.freshness == Freshness::kMiss;
  StoredReply other;
  const CacheHit denied = find_denial(question, name_hash, now, is_missing ? reply : other);
  // An answer ends the denial of its name: one that stands beside it is the older, and a denial is
  // no failure to refresh it (RFC 8767 section 4).
  const bool is_better =
      denied.freshness == Freshness::kFresh ||
      (denied.freshness == Freshness::kStale && hit.freshness != Freshness::kFailure);
  if (!is_better) {
    return hit;
  }
  if (!is_missing) {
    reply = std::move(other);
  }
  return denied;
}

bool AnswerCache::may_be_denied(std::size_t labels) const {
  return (denied_depths_.load(std::memory_order_relaxed) & depth_bit(labels)) != 0;
}

CacheHit AnswerCache::find_denial(const CachedQuestion& question, std::uint64_t name_hash,
                                  TimePoint now, StoredReply& reply) {
  const CachedQuestion denial = denial_of(question);
  const std::uint64_t at = hash(name_hash, denial);
  return shard_of(at).find(at, denial, now, reply);
}

void AnswerCache::store(const CachedQuestion& question, const ReplyFacts& facts, TimePoint now,
                        StoredReply& reply) {
  const auto longest =
      facts.kind == ReplyKind::kAnswer ? options_.max_ttl : options_.max_denial_ttl;
  const auto least = static_cast<std::uint32_t>(options_.min_ttl.count());
  const auto most = static_cast<std::uint32_t>(std::max(longest, options_.min_ttl).count());
  std::chrono::seconds ttl{0};
  if (facts.ttl) {
    clamp_ttls(reply, least, most);
    ttl = std::chrono::seconds(std::clamp(*facts.ttl, least, most));
  }
  if (facts.kind == ReplyKind::kFailure || options_.max_octets == 0) {
    return;
  }
  const bool is_denial = facts.kind == ReplyKind::kNoSuchName;
  const CachedQuestion denial = denial_of(question);
  const CachedQuestion& told = is_denial ? denial : question;
  const CachedQuestion& ended = is_denial ? question : denial;
  const std::uint64_t name_hash = hash(question.name);
  const std::uint64_t told_at = hash(name_hash, told);
  if (ttl.count() == 0) {
    shard_of(told_at).erase(told_at, told);
  } else {
    if (is_denial) {
      denied_depths_.fetch_or(depth_bit(question.name.label_count()), std::memory_order_relaxed);
    }
    shard_of(told_at).store(told_at, told, facts.kind, ttl, now, reply);
  }
  if (is_denial || may_be_denied(question.name.label_count())) {
    const std::uint64_t ended_at = hash(name_hash, ended);
    shard_of(ended_at).erase(ended_at, ended);  // for good, even if what ends it is evicted
  }
}

void AnswerCache::store_failure(const CachedQuestion& question, std::uint16_t rcode,
                                TimePoint now) {
  if (options_.max_octets == 0) {
    return;
  }
  const std::uint64_t name_hash = hash(question.name);
  const std::uint64_t at = hash(name_hash, question);
  bool is_known = shard_of(at).note_failure(at, question, now);
  if (may_be_denied(question.name.label_count())) {
    const CachedQuestion denial = denial_of(question);
    const std::uint64_t denial_at = hash(name_hash, denial);
    is_known = shard_of(denial_at).note_failure(denial_at, denial, now) || is_known;
  }
  if (!is_known) {
    shard_of(at).store_failure(at, question, rcode, now);
  }
}

std::size_t AnswerCache::flush(NameView name, bool below) {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    count += shard->erase_if([&](NameView held) {
      return below ? held.is_within(name) : held.equals_ignoring_case(name);
    });
  }
  return count;
}

CacheStats AnswerCache::stats() const {
  CacheStats sum;
  for (const auto& shard : shards_) {
    const CacheStats stats = shard->stats();
    sum.entries += stats.entries;
    sum.octets += stats.octets;
    sum.evictions += stats.evictions;
  }
  return sum;
}

void AnswerCache::for_each(std::size_t shard, TimePoint now,
                           const std::function<void(const CacheItem&)>& visit) const {
  shards_.at(shard)->for_each(now, visit);
}

}  // namespace meshdns::dns
