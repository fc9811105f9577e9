// CacheShard: the entries of a cache whose hashes fall to it, under one lock.
//
// Two queues in the order of arrival (S3-FIFO): what comes for the first time waits in the small
// one, a tenth of the room; what is asked for meanwhile moves to the main one when its turn to go
// comes, the rest goes, leaving its hash behind for a while: who is asked for again then starts in
// the main queue. There, too, who was asked for since its last turn goes round once more. So each
// step costs the same, and names asked for once never push out popular ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/intrusive/list.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include "base/clock.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/wire/name.h"
#include "resolver/wire/stored_reply.h"

namespace meshdns::dns {

class CacheShard {
 public:
  // `hash` is always that of the question. `max_octets` bounds entries, their index and all else.
  CacheShard(std::size_t max_octets, std::chrono::seconds stale_for);
  CacheShard(const CacheShard&) = delete;
  CacheShard& operator=(const CacheShard&) = delete;
  ~CacheShard();

  // Brings near what find() will read.
  void prefetch(std::uint64_t hash) const;
  [[nodiscard]] CacheHit find(std::uint64_t hash, const CachedQuestion& question, TimePoint now,
                              StoredReply& reply);
  void store(std::uint64_t hash, const CachedQuestion& question, ReplyKind kind,
             std::chrono::seconds ttl, TimePoint now, const StoredReply& reply);
  // Upstream failed to refresh what is kept; false where that is nothing, or a failure.
  [[nodiscard]] bool note_failure(std::uint64_t hash, const CachedQuestion& question,
                                  TimePoint now);
  // Keeps a failure, unless another thread has brought an answer.
  void store_failure(std::uint64_t hash, const CachedQuestion& question, std::uint16_t rcode,
                     TimePoint now);
  void erase(std::uint64_t hash, const CachedQuestion& question);
  // Erases what `is_meant` says; returns how many.
  std::size_t erase_if(const std::function<bool(NameView name)>& is_meant);
  [[nodiscard]] CacheStats stats() const;
  void for_each(TimePoint now, const std::function<void(const CacheItem&)>& visit) const;

 private:
  struct Entry;
  struct Free {
    void operator()(Entry* entry) const;
  };
  using Owned = std::unique_ptr<Entry, Free>;
  using Queue = boost::intrusive::list<Entry, boost::intrusive::constant_time_size<false>>;

  [[nodiscard]] Entry* look_up(std::uint64_t hash, const CachedQuestion& question) const;
  [[nodiscard]] bool note_failure(Entry* known, TimePoint now) const;
  void insert(Owned entry);
  void remove(Entry& entry);
  void make_room();
  void evict_from_small();
  void evict_from_main(bool spare_the_used);

  const std::size_t max_octets_;
  const std::chrono::seconds stale_for_;

  mutable std::mutex mutex_;                                // guards all below
  boost::unordered_flat_map<std::uint64_t, Entry*> index_;  // by hash; owns the entries
  std::unique_ptr<Queue> small_;                            // the oldest in front
  std::unique_ptr<Queue> main_;
  std::size_t octets_ = 0;        // of all entries
  std::size_t small_octets_ = 0;  // of those in small_
  std::uint64_t evictions_ = 0;
  std::vector<std::uint32_t> ghosts_;  // hashes of who went from small_, each where it falls
};

}  // namespace meshdns::dns
