#include "resolver/cache/cache_shard.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <malloc.h>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "base/clock.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/wire/name.h"
#include "resolver/wire/stored_reply.h"

namespace meshdns::dns {
namespace {

using std::chrono::seconds;

constexpr std::uint8_t kMostUses = 3;
// Of popular entries that are passed over to make room for one, so that its cost has a bound.
constexpr int kMostTurns = 32;
constexpr std::size_t kSmallShare = 10;  // the small queue's: one part of so many
// What an entry costs beside its block: its place in the index, which is between an eighth and half
// empty.
constexpr std::size_t kIndexOctets = 40;
// Low bits of a hash that have chosen the shard.
constexpr std::uint64_t kHashesPerGhost = 16;
// Of an entry: all of most.
constexpr std::size_t kPrefetched = 256;
constexpr std::size_t kCacheLine = 64;
// Room for one ghost is given per so many octets of the shard: about as many as there are entries.
constexpr std::size_t kOctetsPerGhost = 512;
constexpr seconds kFirstFailure{1};
constexpr seconds kLongestFailure{5};
// Failures so far apart have nothing to do with each other.
constexpr seconds kFailureMemory{60};
// RFC 8767 section 5: how often upstream is bothered with an answer that it failed to refresh.
constexpr seconds kRefreshPause{30};
// Who was told to refresh an entry has so long.
constexpr seconds kRefreshTime{10};
constexpr std::uint8_t kPopularUses = 2;
// Refreshed within the last tenth of its time, if that is long enough to be worth it.
constexpr int kRefreshShare = 10;
constexpr seconds kLeastRefreshed{10};

}  // namespace

// In one block with its octets: the name, which every look-up reads, where the TTLs stand (two
// octets each), the message.
struct CacheShard::Entry : boost::intrusive::list_base_hook<> {
  std::uint64_t hash = 0;
  TimePoint stored;
  TimePoint next_refresh;  // not before
  seconds ttl{0};
  std::uint32_t block_octets = 0;  // that the allocator gave
  std::uint32_t message_octets = 0;
  std::uint16_t ttl_count = 0;
  std::uint16_t type = 0;
  std::uint16_t rrclass = 0;
  std::uint16_t rcode = 0;
  std::uint8_t name_octets = 0;
  std::uint8_t uses = 0;  // since its last turn, at most kMostUses
  ReplyKind kind = ReplyKind::kFailure;
  bool dnssec_ok = false;
  bool checking_disabled = false;
  bool in_main = false;
  bool refresh_failed = false;

  [[nodiscard]] static Owned make(std::uint64_t hash, const CachedQuestion& asked,
                                  const StoredReply& reply) {
    const std::size_t ttl_octets = reply.ttl_offsets.size() * sizeof(std::uint16_t);
    void* const block =
        ::operator new(sizeof(Entry) + asked.name.size() + ttl_octets + reply.message.size());
    Owned entry(new (block) Entry);
    entry->hash = hash;
    entry->block_octets = static_cast<std::uint32_t>(malloc_usable_size(block));
    entry->type = asked.type;
    entry->rrclass = asked.rrclass;
    entry->dnssec_ok = asked.dnssec_ok;
    entry->checking_disabled = asked.checking_disabled;
    entry->name_octets = static_cast<std::uint8_t>(asked.name.size());
    entry->ttl_count = static_cast<std::uint16_t>(reply.ttl_offsets.size());
    entry->message_octets = static_cast<std::uint32_t>(reply.message.size());
    std::uint8_t* at = entry->octets();
    std::memcpy(at, asked.name.octets().data(), asked.name.size());
    at += asked.name.size();
    if (ttl_octets > 0) {
      std::memcpy(at, reply.ttl_offsets.data(), ttl_octets);
      at += ttl_octets;
    }
    if (!reply.message.empty()) {
      std::memcpy(at, reply.message.data(), reply.message.size());
    }
    return entry;
  }

  [[nodiscard]] std::size_t cost() const { return block_octets + kIndexOctets; }
  [[nodiscard]] CachedQuestion question() const {
    return {.name = NameView({octets(), name_octets}),
            .type = type,
            .rrclass = rrclass,
            .dnssec_ok = dnssec_ok,
            .checking_disabled = checking_disabled};
  }
  void copy_to(StoredReply& reply) const {
    const std::uint8_t* const ttls = octets() + name_octets;
    reply.ttl_offsets.resize(ttl_count);
    if (ttl_count > 0) {
      std::memcpy(reply.ttl_offsets.data(), ttls, ttl_count * sizeof(std::uint16_t));
    }
    const std::uint8_t* const message = ttls + ttl_count * sizeof(std::uint16_t);
    reply.message.assign(message, message + message_octets);
  }

 private:
  // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): what follows it in its block.
  [[nodiscard]] const std::uint8_t* octets() const {
    return reinterpret_cast<const std::uint8_t*>(this + 1);
  }
  [[nodiscard]] std::uint8_t* octets() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
};

void CacheShard::Free::operator()(Entry* entry) const {
  entry->~Entry();
  ::operator delete(entry);
}

CacheShard::CacheShard(std::size_t max_octets, seconds stale_for)
    : max_octets_(max_octets),
      stale_for_(stale_for),
      small_(std::make_unique<Queue>()),
      main_(std::make_unique<Queue>()),
      ghosts_(std::bit_floor(std::max<std::size_t>(max_octets / kOctetsPerGhost, 1))) {}

CacheShard::~CacheShard() {
  erase_if([](NameView /*name*/) { return true; });
}

CacheShard::Entry* CacheShard::look_up(std::uint64_t hash, const CachedQuestion& question) const {
  const auto found = index_.find(hash);
  return found != index_.end() && found->second->question() == question ? found->second : nullptr;
}

void CacheShard::prefetch(std::uint64_t hash) const {
  const Entry* entry = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(hash);
    entry = found != index_.end() ? found->second : nullptr;
  }
  // It may be gone by now: its address is all that counts.
  for (std::size_t at = 0; entry != nullptr && at < kPrefetched; at += kCacheLine) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets are octets.
    __builtin_prefetch(reinterpret_cast<const char*>(entry) + at);
  }
}

CacheHit CacheShard::find(std::uint64_t hash, const CachedQuestion& question, TimePoint now,
                          StoredReply& reply) {
  const std::lock_guard lock(mutex_);
  Entry* const entry = look_up(hash, question);
  if (entry == nullptr) {
    return {};
  }
  const auto age = std::chrono::duration_cast<seconds>(now - entry->stored);
  const bool is_over = age >= entry->ttl;
  CacheHit hit;
  if (entry->kind == ReplyKind::kFailure) {
    if (!is_over) {
      hit.freshness = Freshness::kFailure;
      hit.rcode = entry->rcode;
    }
    return hit;
  }
  if (age >= entry->ttl + stale_for_) {
    remove(*entry);
    return hit;
  }
  entry->uses = static_cast<std::uint8_t>(std::min<int>(entry->uses + 1, kMostUses));
  hit.age = static_cast<std::uint32_t>(age.count());
  hit.freshness = is_over ? Freshness::kStale : Freshness::kFresh;
  hit.refresh_failed = entry->refresh_failed && now < entry->next_refresh;
  if (!is_over && entry->uses >= kPopularUses && entry->ttl >= kLeastRefreshed &&
      entry->ttl - age <= entry->ttl / kRefreshShare && now >= entry->next_refresh) {
    hit.refresh = true;
    entry->next_refresh = now + kRefreshTime;
  }
  entry->copy_to(reply);
  return hit;
}

void CacheShard::store(std::uint64_t hash, const CachedQuestion& question, ReplyKind kind,
                       seconds ttl, TimePoint now, const StoredReply& reply) {
  Owned entry = Entry::make(hash, question, reply);
  entry->kind = kind;
  entry->rcode = reply.rcode();
  entry->ttl = ttl;
  entry->stored = now;
  entry->next_refresh = now;
  const std::lock_guard lock(mutex_);
  insert(std::move(entry));
}

bool CacheShard::note_failure(Entry* known, TimePoint now) const {
  if (known == nullptr || known->kind == ReplyKind::kFailure ||
      now - known->stored >= known->ttl + stale_for_) {
    return false;
  }
  known->refresh_failed = true;
  known->next_refresh = now + kRefreshPause;
  return true;
}

bool CacheShard::note_failure(std::uint64_t hash, const CachedQuestion& question, TimePoint now) {
  const std::lock_guard lock(mutex_);
  return note_failure(look_up(hash, question), now);
}

void CacheShard::store_failure(std::uint64_t hash, const CachedQuestion& question,
                               std::uint16_t rcode, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Entry* const known = look_up(hash, question);
  if (note_failure(known, now)) {
    return;
  }
  seconds ttl = kFirstFailure;
  if (known != nullptr && known->kind == ReplyKind::kFailure &&
      now - known->stored < kFailureMemory) {
    ttl = std::min(known->ttl * 2, kLongestFailure);
  }
  Owned entry = Entry::make(hash, question, {});
  entry->rcode = rcode;
  entry->ttl = ttl;
  entry->stored = now;
  insert(std::move(entry));
}

void CacheShard::insert(Owned entry) {
  const auto known = index_.find(entry->hash);
  bool to_main = false;
  std::uint8_t uses = 0;
  if (known != index_.end()) {
    // What is replaced keeps its standing; a hash that two questions share belongs to the later.
    to_main = known->second->in_main;
    uses = known->second->uses;
    remove(*known->second);
  } else {
    std::uint32_t& ghost = ghosts_[entry->hash / kHashesPerGhost % ghosts_.size()];
    to_main = ghost == static_cast<std::uint32_t>(entry->hash >> 32U);
    ghost = to_main ? 0 : ghost;
  }
  if (entry->cost() > max_octets_ / kSmallShare) {
    return;  // would push out too many others
  }
  entry->in_main = to_main;
  entry->uses = uses;
  octets_ += entry->cost();
  small_octets_ += to_main ? 0 : entry->cost();
  (to_main ? *main_ : *small_).push_back(*entry);
  const std::uint64_t hash = entry->hash;
  index_.emplace(hash, entry.release());
  make_room();
}

void CacheShard::remove(Entry& entry) {
  const Owned owned(&entry);
  index_.erase(entry.hash);
  octets_ -= entry.cost();
  small_octets_ -= entry.in_main ? 0 : entry.cost();
  Queue& queue = entry.in_main ? *main_ : *small_;
  queue.erase(queue.iterator_to(entry));
}

void CacheShard::make_room() {
  int turns = 0;
  while (octets_ + ghosts_.size() * sizeof(std::uint32_t) > max_octets_ && !index_.empty()) {
    if (main_->empty() || small_octets_ > max_octets_ / kSmallShare) {
      evict_from_small();
    } else {
      evict_from_main(++turns <= kMostTurns);
    }
  }
}

void CacheShard::evict_from_small() {
  Entry& oldest = small_->front();
  if (oldest.uses > 0) {
    small_->pop_front();
    small_octets_ -= oldest.cost();
    oldest.uses = 0;
    oldest.in_main = true;
    main_->push_back(oldest);
    return;
  }
  ghosts_[oldest.hash / kHashesPerGhost % ghosts_.size()] =
      static_cast<std::uint32_t>(oldest.hash >> 32U);
  remove(oldest);
  ++evictions_;
}

void CacheShard::evict_from_main(bool spare_the_used) {
  Entry& oldest = main_->front();
  if (spare_the_used && oldest.uses > 0) {
    --oldest.uses;
    main_->pop_front();
    main_->push_back(oldest);
    return;
  }
  remove(oldest);
  ++evictions_;
}

void CacheShard::erase(std::uint64_t hash, const CachedQuestion& question) {
  const std::lock_guard lock(mutex_);
  if (Entry* const entry = look_up(hash, question)) {
    remove(*entry);
  }
}

std::size_t CacheShard::erase_if(const std::function<bool(NameView name)>& is_meant) {
  const std::lock_guard lock(mutex_);
  std::vector<Entry*> meant;
  for (const auto& [hash, entry] : index_) {
    if (is_meant(entry->question().name)) {
      meant.push_back(entry);
    }
  }
  for (Entry* const entry : meant) {
    remove(*entry);
  }
  return meant.size();
}

CacheStats CacheShard::stats() const {
  const std::lock_guard lock(mutex_);
  return {.entries = index_.size(),
          .octets = octets_ + ghosts_.size() * sizeof(std::uint32_t),
          .evictions = evictions_};
}

void CacheShard::for_each(TimePoint now, const std::function<void(const CacheItem&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [hash, entry] : index_) {
    visit({.question = entry->question(),
           .kind = entry->kind,
           .rcode = entry->rcode,
           .left = entry->ttl - std::chrono::duration_cast<seconds>(now - entry->stored),
           .octets = entry->cost()});
  }
}

}  // namespace meshdns::dns
