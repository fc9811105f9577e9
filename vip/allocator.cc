#include "vip/allocator.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "vip/lease_record.h"
#include "vip/pin.h"
#include "vip/pool.h"

namespace meshdns::vip {
namespace {

// Candidates drawn by hash before the walk: at nine tenths of a pool in use, one key in a thousand
// walks.
constexpr std::uint32_t kHashedCandidates = 64;

}  // namespace

// Lease keys have four slashes.
std::string former_key(const IpAddress& address) { return "former/" + address.to_string(); }

Allocator::Allocator(const Options& options, Clock& clock) : options_(options), clock_(clock) {}

Allocator::Grant Allocator::acquire(std::string_view key) {
  end_quarantines();
  auto place = entries_.find(key);
  const bool is_known = place != entries_.end();
  if (is_known && place->second.state == LeaseState::kActive &&
      (place->second.ipv4 || !options_.ipv4) && (place->second.ipv6 || !options_.ipv6)) {
    return Grant::kHeld;
  }
  const Entry entry = is_known ? place->second : Entry{};
  // What is missing is chosen before anything is changed, so that exhaustion leaves all as it was.
  std::optional<IpAddress> ipv4;
  std::optional<IpAddress> ipv6;
  if (!entry.ipv4 && options_.ipv4) {
    ipv4 = choose(*options_.ipv4, key);
  }
  if (!entry.ipv6 && options_.ipv6) {
    ipv6 = choose(*options_.ipv6, key);
  }
  const bool lacks =
      (options_.ipv4 && !entry.ipv4 && !ipv4) || (options_.ipv6 && !entry.ipv6 && !ipv6);
  if (lacks && !entry.ipv4 && !entry.ipv6 && !ipv4 && !ipv6) {
    return Grant::kExhausted;
  }
  const bool was_active = is_known && entry.state == LeaseState::kActive;
  if (was_active && !ipv4 && !ipv6) {
    return Grant::kExhausted;  // holds one family, and the other is used up
  }
  if (!is_known) {
    place = entries_.try_emplace(std::string(key)).first;
  }
  Entry& stored = place->second;
  set_blocked(stored, false);
  stored.state = LeaseState::kActive;
  if (ipv4) {
    take(*place, *ipv4);
  }
  if (ipv6) {
    take(*place, *ipv6);
  }
  set_blocked(stored, true);
  active_ += was_active ? 0 : 1;
  return Grant::kChanged;
}

bool Allocator::release(std::string_view key) {
  const auto place = entries_.find(key);
  if (place == entries_.end() || place->second.state != LeaseState::kActive) {
    return false;
  }
  end_quarantines();
  --active_;
  begin_quarantine(place->first, place->second);
  return true;
}

std::optional<PinRefusal> Allocator::refuse(const Pin& pin, PinMode mode) const {
  for (const auto& address : {pin.ipv4, pin.ipv6}) {
    if (address) {
      if (auto refusal = refuse(pin.key, *address, mode)) {
        return refusal;
      }
    }
  }
  return std::nullopt;
}

std::optional<PinRefusal> Allocator::refuse(const std::string& key, const IpAddress& address,
                                            PinMode mode) const {
  PinRefusal refusal{.pin = 0, .reason = {}, .address = address, .holder = {}, .has = {}};
  const auto& pool = pool_of(address);
  if (!pool || !pool->contains(address)) {
    refusal.reason = pool && pool->prefix().contains(address) ? PinRefusal::Reason::kPoolEdge
                                                              : PinRefusal::Reason::kOutsidePool;
    return refusal;
  }
  if (const auto other = holder(address); other && *other != key) {
    const Entry& entry = *find(*other);
    const bool is_held = entry.state == LeaseState::kActive;
    refusal.reason = is_held ? PinRefusal::Reason::kHeld : PinRefusal::Reason::kQuarantined;
    refusal.holder = *other;
    refusal.remaining = is_held ? std::chrono::nanoseconds(0) : entry.free_at - clock_.now();
    return refusal;
  }
  const Entry* const own = find(key);
  if (mode == PinMode::kForce || own == nullptr || own->state != LeaseState::kActive) {
    return std::nullopt;
  }
  const auto has = address.is_v4() ? own->ipv4 : own->ipv6;
  if (!has || *has == address) {
    return std::nullopt;
  }
  refusal.reason = PinRefusal::Reason::kHasLease;
  refusal.has = has;
  return refusal;
}

std::vector<std::string> Allocator::pin(const Pin& pin) {
  end_quarantines();
  Holding& holding = *entries_.try_emplace(pin.key).first;
  Entry& entry = holding.second;
  const bool was_active = entry.blocked && entry.state == LeaseState::kActive;
  const bool was_blocked = entry.blocked;
  std::vector<std::string> changed{pin.key};
  set_blocked(entry, false);
  for (const auto& address : {pin.ipv4, pin.ipv6}) {
    if (!address) {
      continue;
    }
    auto& had = address->is_v4() ? entry.ipv4 : entry.ipv6;
    if (had && *had != *address) {
      const IpAddress former = *had;
      had.reset();
      holders_.erase(former);
      if (was_blocked) {
        changed.push_back(former_key(former));
        restore({LeaseState::kReleased, former.is_v4() ? std::optional(former) : std::nullopt,
                 former.is_v4() ? std::nullopt : std::optional(former), changed.back()});
      }
    }
    take(holding, *address);
  }
  entry.state = LeaseState::kActive;
  set_blocked(entry, true);
  active_ += was_active ? 0 : 1;
  return changed;
}

void Allocator::begin_quarantine(const std::string& key, Entry& entry) {
  entry.state = LeaseState::kReleased;
  entry.free_at = clock_.now() + options_.quarantine;
  ++entry.generation;
  quarantines_.push_back({entry.free_at, key, entry.generation});
}

void Allocator::end_quarantines() {
  const TimePoint now = clock_.now();
  while (!quarantines_.empty() && quarantines_.front().until <= now) {
    const auto place = entries_.find(quarantines_.front().key);
    if (place != entries_.end() && place->second.state == LeaseState::kReleased &&
        place->second.generation == quarantines_.front().generation) {
      set_blocked(place->second, false);
    }
    quarantines_.pop_front();
  }
}

void Allocator::set_blocked(Entry& entry, bool blocked) {
  if (entry.blocked == blocked) {
    return;
  }
  entry.blocked = blocked;
  const std::uint64_t add = blocked ? 1 : UINT64_MAX;  // modulo 2^64: minus one
  if (entry.ipv4 && options_.ipv4 && options_.ipv4->contains(*entry.ipv4)) {
    blocked_ipv4_ += add;
  }
  if (entry.ipv6 && options_.ipv6 && options_.ipv6->contains(*entry.ipv6)) {
    blocked_ipv6_ += add;
  }
}

std::optional<IpAddress> Allocator::choose(const AddressPool& pool, std::string_view key) {
  const std::uint64_t blocked = pool.family() == IpFamily::kV4 ? blocked_ipv4_ : blocked_ipv6_;
  if (blocked >= pool.usable_size()) {
    return std::nullopt;
  }
  for (std::uint32_t attempt = 0; attempt < kHashedCandidates; ++attempt) {
    const IpAddress candidate = pool.candidate(key, attempt);
    if (is_free(candidate)) {
      return candidate;
    }
  }
  // The counter says that one is free, so the walk ends.
  std::uint64_t index = pool.candidate_index(key, kHashedCandidates - 1);
  for (std::uint64_t step = 0; step < pool.usable_size(); ++step) {
    index = index + 1 == pool.usable_size() ? 0 : index + 1;
    const IpAddress candidate = pool.at(index);
    if (is_free(candidate)) {
      return candidate;
    }
  }
  return std::nullopt;
}

bool Allocator::is_free(const IpAddress& address) const {
  const auto holder = holders_.find(address);
  if (holder == holders_.end()) {
    return true;
  }
  return !holder->second->second.blocked;
}

void Allocator::take(Holding& taker, const IpAddress& address) {
  const auto [holder, is_new] = holders_.try_emplace(address, &taker);
  if (!is_new && holder->second != &taker) {
    Holding& loser = *std::exchange(holder->second, &taker);
    Entry& lost = loser.second;
    const bool was_blocked = lost.blocked;
    set_blocked(lost, false);
    (address.is_v4() ? lost.ipv4 : lost.ipv6).reset();
    if (!lost.ipv4 && !lost.ipv6) {
      active_ -= lost.state == LeaseState::kActive ? 1U : 0U;
      entries_.erase(entries_.find(loser.first));
    } else {
      set_blocked(lost, was_blocked);
    }
  }
  (address.is_v4() ? taker.second.ipv4 : taker.second.ipv6) = address;
}

void Allocator::restore(const LeaseRecord& record) {
  const auto [place, is_new] = entries_.try_emplace(std::string(record.key));
  if (!is_new) {
    set_blocked(place->second, false);
    active_ -= place->second.state == LeaseState::kActive ? 1U : 0U;
    for (const auto& old : {place->second.ipv4, place->second.ipv6}) {
      if (old) {
        holders_.erase(*old);
      }
    }
    place->second.ipv4.reset();
    place->second.ipv6.reset();
  }
  // Taking an address from another key may erase that key's entry, never this one.
  Entry& entry = place->second;
  for (const auto& address : {record.ipv4, record.ipv6}) {
    if (address) {
      take(*place, *address);
    }
  }
  set_blocked(entry, true);
  if (record.state == LeaseState::kActive) {
    entry.state = LeaseState::kActive;
    ++active_;
  } else {
    begin_quarantine(place->first, entry);
  }
}

std::size_t Allocator::forget_expired() {
  end_quarantines();
  // NOLINTNEXTLINE(misc-include-cleaner): it knows only the erase_if of <vector>.
  return erase_if(entries_, [&](const auto& item) {
    const Entry& entry = item.second;
    if (entry.blocked) {
      return false;
    }
    for (const auto& address : {entry.ipv4, entry.ipv6}) {
      if (address) {
        holders_.erase(*address);
      }
    }
    return true;
  });
}

const Allocator::Entry* Allocator::find(std::string_view key) const {
  const auto place = entries_.find(key);
  return place == entries_.end() ? nullptr : &place->second;
}

std::optional<std::string_view> Allocator::holder(const IpAddress& address) const {
  const auto place = holders_.find(address);
  if (place == holders_.end()) {
    return std::nullopt;
  }
  const auto& [key, entry] = *place->second;
  if (entry.state == LeaseState::kReleased && entry.free_at <= clock_.now()) {
    return std::nullopt;  // free for any key, though it would get it back today
  }
  return key;
}

void Allocator::for_each(
    const std::function<void(std::string_view key, const Entry&)>& visit) const {
  for (const auto& [key, entry] : entries_) {
    visit(key, entry);
  }
}

}  // namespace meshdns::vip
