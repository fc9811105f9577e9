// AnswerCache: replies of upstream, kept as long as they may be told, bounded in octets.
//
// Any thread: each shard has a lock, held only to look up, to copy or to link. What is kept under
// which name is chosen by whoever asks, so hashes are keyed and eviction costs the same whatever is
// asked: entries that were asked for once go before those that were asked for again (S3-FIFO, Yang
// and others, SOSP 2023), so that a flood of random names evicts itself.
//
// Time is given by the caller and counts suspend; nothing here knows the wall clock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/sip_hash.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/wire/name.h"
#include "resolver/wire/stored_reply.h"

namespace meshdns::dns {

class CacheShard;

struct CacheOptions {
  std::size_t max_octets = std::size_t{16} << 20U;  // entries with all that they cost; 0: no cache
  std::chrono::seconds min_ttl{0};
  std::chrono::seconds max_ttl{std::chrono::hours(24)};
  std::chrono::seconds max_denial_ttl{std::chrono::hours(3)};  // RFC 2308 section 5
  // How long beyond its TTL an answer is kept for when upstream does not answer (RFC 8767); 0: not.
  std::chrono::seconds stale_for{std::chrono::hours(24)};
};

class AnswerCache {
 public:
  AnswerCache(const CacheOptions& options, const HashKey& key);
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;
  ~AnswerCache();

  // Brings near what find() will read, so that many at once wait for memory together.
  void prefetch(const CachedQuestion& question) const;
  // Copies what is kept of `question` into `reply`, whose former content is gone. That a name does
  // not exist holds for all its types, and says nothing of names below it, against RFC 8020: to a
  // forwarder they may be another server's, whom upstream alone knows.
  [[nodiscard]] CacheHit find(const CachedQuestion& question, TimePoint now, StoredReply& reply);
  // Keeps a reply that store_reply() judged, unless it may not be kept. What was kept that it
  // contradicts is forgotten either way, unless it is a failure. Its TTLs are brought within the
  // bounds, in `reply` too.
  void store(const CachedQuestion& question, const ReplyFacts& facts, TimePoint now,
             StoredReply& reply);
  // Upstream failed, or did not answer (SERVFAIL): an answer or a denial that there is stays, and
  // may be told stale; else the failure is kept for 1 s, after each more of them for twice as long,
  // up to 5 s (RFC 9520 section 3.2), so that an upstream that is well again is asked soon.
  void store_failure(const CachedQuestion& question, std::uint16_t rcode, TimePoint now);

  // Forgets `name`, or with `below` all at and below it; returns how many entries.
  std::size_t flush(NameView name, bool below);
  [[nodiscard]] CacheStats stats() const;
  // Calls `visit` for every entry of one of kShards parts, under its lock: it must be quick.
  void for_each(std::size_t shard, TimePoint now,
                const std::function<void(const CacheItem&)>& visit) const;
  static constexpr std::size_t kShards = 16;

 private:
  [[nodiscard]] std::uint64_t hash(NameView name) const;
  // Of a question whose name's is `name_hash`.
  [[nodiscard]] static std::uint64_t hash(std::uint64_t name_hash, const CachedQuestion& question);
  [[nodiscard]] std::uint64_t hash(const CachedQuestion& question) const {
    return hash(hash(question.name), question);
  }
  [[nodiscard]] CacheShard& shard_of(std::uint64_t hash) const { return *shards_[hash % kShards]; }
  [[nodiscard]] bool may_be_denied(std::size_t labels) const;
  // Whether `question`'s name is known not to exist.
  [[nodiscard]] CacheHit find_denial(const CachedQuestion& question, std::uint64_t name_hash,
                                     TimePoint now, StoredReply& reply);

  CacheOptions options_;
  HashKey key_;
  std::vector<std::unique_ptr<CacheShard>> shards_;
  // By labels, the last bit for all from 63 on: whether names of so many were denied, since the
  // start. Others need not be looked for twice.
  std::atomic<std::uint64_t> denied_depths_ = 0;
};

}  // namespace meshdns::dns
