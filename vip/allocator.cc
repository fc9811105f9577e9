#include "vip/allocator.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "vip/lease_record.h"
#include "vip/lease_table.h"
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
  const auto known = leases_.find(key);
  const bool was_active = known && leases_.is_active(*known);
  // The pool that the key has no address of yet.
  const auto lacking = [&](const std::optional<AddressPool>& pool) -> const AddressPool* {
    const bool is_enough = !pool || (known && leases_.address(*known, pool->family()));
    return is_enough ? nullptr : &*pool;
  };
  const AddressPool* const ipv4_pool = lacking(options_.ipv4);
  const AddressPool* const ipv6_pool = lacking(options_.ipv6);
  if (was_active && ipv4_pool == nullptr && ipv6_pool == nullptr) {
    return Grant::kHeld;
  }
  // What is missing is chosen before anything is changed, so that exhaustion leaves all as it was.
  const auto ipv4 = ipv4_pool != nullptr ? choose(*ipv4_pool, key) : std::nullopt;
  const auto ipv6 = ipv6_pool != nullptr ? choose(*ipv6_pool, key) : std::nullopt;
  const bool is_exhausted = (ipv4_pool != nullptr && !ipv4) || (ipv6_pool != nullptr && !ipv6);
  const bool has_any = ipv4 || ipv6 || (known && has_address(*known));
  if (is_exhausted && !has_any) {
    return Grant::kExhausted;
  }
  if (was_active && !ipv4 && !ipv6) {
    return Grant::kExhausted;  // holds one family, and the other is used up
  }
  const Number lease = known ? *known : leases_.insert(key);
  set_blocked(lease, false);
  if (ipv4) {
    take(lease, *ipv4);
  }
  if (ipv6) {
    take(lease, *ipv6);
  }
  set_blocked(lease, true);
  activate(lease);
  return Grant::kChanged;
}

bool Allocator::release(std::string_view key) {
  const auto lease = leases_.find(key);
  if (!lease || !leases_.is_active(*lease)) {
    return false;
  }
  end_quarantines();
  begin_quarantine(*lease);
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
  if (const auto other = leases_.find(address);
      other && owns_addresses(*other) && leases_.key(*other) != key) {
    const bool is_held = leases_.is_active(*other);
    refusal.reason = is_held ? PinRefusal::Reason::kHeld : PinRefusal::Reason::kQuarantined;
    refusal.holder = leases_.key(*other);
    refusal.remaining =
        is_held ? std::chrono::nanoseconds(0) : free_at_.find(*other)->second - clock_.now();
    return refusal;
  }
  const auto own = leases_.find(key);
  if (mode == PinMode::kForce || !own || !leases_.is_active(*own)) {
    return std::nullopt;
  }
  const auto has = leases_.address(*own, address.family());
  if (!has || *has == address) {
    return std::nullopt;
  }
  refusal.reason = PinRefusal::Reason::kHasLease;
  refusal.has = has;
  return refusal;
}

std::vector<std::string> Allocator::pin(const Pin& pin) {
  end_quarantines();
  const auto known = leases_.find(pin.key);
  const Number lease = known ? *known : leases_.insert(pin.key);
  const bool was_blocked = leases_.is_blocked(lease);
  std::vector<std::string> changed{pin.key};
  set_blocked(lease, false);
  for (const auto& address : {pin.ipv4, pin.ipv6}) {
    if (!address) {
      continue;
    }
    const auto had = leases_.address(lease, address->family());
    if (had && *had != *address) {
      leases_.clear_address(lease, had->family());
      if (was_blocked) {
        changed.push_back(former_key(*had));
        restore({LeaseState::kReleased, had->is_v4() ? had : std::nullopt,
                 had->is_v4() ? std::nullopt : had, changed.back()});
      }
    }
    take(lease, *address);
  }
  set_blocked(lease, true);
  activate(lease);
  return changed;
}

void Allocator::activate(Number lease) {
  free_at_.erase(lease);
  active_ += leases_.is_active(lease) ? 0U : 1U;
  leases_.set_active(lease, true);
}

void Allocator::begin_quarantine(Number lease) {
  active_ -= leases_.is_active(lease) ? 1U : 0U;
  leases_.set_active(lease, false);
  const TimePoint end = clock_.now() + options_.quarantine;
  free_at_[lease] = end;
  quarantines_.push_back({end, lease});
}

void Allocator::end_quarantines() {
  const TimePoint now = clock_.now();
  while (!quarantines_.empty() && quarantines_.front().end <= now) {
    const auto place = free_at_.find(quarantines_.front().lease);
    // Else it began anew since, or ended with its lease's return.
    if (place != free_at_.end() && place->second == quarantines_.front().end) {
      set_blocked(place->first, false);
      free_at_.erase(place);
    }
    quarantines_.pop_front();
    if (quarantines_.empty()) {
      quarantines_ = std::deque<Quarantine>();  // a deque keeps the pointers of its longest time
    }
  }
  if (free_at_.empty()) {
    free_at_.rehash(0);
  }
}

void Allocator::set_blocked(Number lease, bool blocked) {
  if (leases_.is_blocked(lease) == blocked) {
    return;
  }
  leases_.set_blocked(lease, blocked);
  const std::uint64_t add = blocked ? 1 : UINT64_MAX;  // modulo 2^64: minus one
  const auto is_in = [&](const std::optional<AddressPool>& pool) {
    const auto address = pool ? leases_.address(lease, pool->family()) : std::nullopt;
    return address && pool->contains(*address);
  };
  blocked_ipv4_ += is_in(options_.ipv4) ? add : 0;
  blocked_ipv6_ += is_in(options_.ipv6) ? add : 0;
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
  const auto holder = leases_.find(address);
  return !holder || !leases_.is_blocked(*holder);
}

bool Allocator::has_address(Number lease) const {
  return leases_.address(lease, IpFamily::kV4) || leases_.address(lease, IpFamily::kV6);
}

void Allocator::take(Number taker, const IpAddress& address) {
  const auto loser = leases_.find(address);
  if (loser && *loser != taker) {
    const bool was_blocked = leases_.is_blocked(*loser);
    set_blocked(*loser, false);
    leases_.clear_address(*loser, address.family());
    if (has_address(*loser)) {
      set_blocked(*loser, was_blocked);
    } else {
      erase(*loser);
    }
  }
  if (loser != taker) {
    leases_.set_address(taker, address);
  }
}

void Allocator::erase(Number lease) {
  set_blocked(lease, false);
  active_ -= leases_.is_active(lease) ? 1U : 0U;
  free_at_.erase(lease);
  batches_.erase(lease);
  leases_.erase(lease);
}

void Allocator::restore(const LeaseRecord& record) {
  const auto known = leases_.find(record.key);
  const Number lease = known ? *known : leases_.insert(record.key);
  set_blocked(lease, false);
  leases_.clear_address(lease, IpFamily::kV4);
  leases_.clear_address(lease, IpFamily::kV6);
  // Taking an address from another key may erase that key's lease, never this one.
  for (const auto& address : {record.ipv4, record.ipv6}) {
    if (address) {
      take(lease, *address);
    }
  }
  set_blocked(lease, true);
  if (record.state == LeaseState::kActive) {
    activate(lease);
  } else {
    begin_quarantine(lease);
  }
}

std::size_t Allocator::forget_expired() {
  end_quarantines();
  std::vector<Number> expired;
  leases_.for_each([&](Number lease) {
    if (!leases_.is_blocked(lease)) {
      expired.push_back(lease);
    }
  });
  for (const Number lease : expired) {
    erase(lease);
  }
  return expired.size();
}

Allocator::Entry Allocator::entry(Number lease) const {
  const auto batch = batches_.find(lease);
  return {.state = leases_.is_active(lease) ? LeaseState::kActive : LeaseState::kReleased,
          .ipv4 = leases_.address(lease, IpFamily::kV4),
          .ipv6 = leases_.address(lease, IpFamily::kV6),
          .batch = batch == batches_.end() ? 0 : batch->second};
}

std::optional<Allocator::Entry> Allocator::find(std::string_view key) const {
  const auto lease = leases_.find(key);
  return lease ? std::optional(entry(*lease)) : std::nullopt;
}

void Allocator::set_batch(std::string_view key, std::uint64_t batch) {
  if (const auto lease = leases_.find(key)) {
    batches_[*lease] = batch;
  }
}

void Allocator::forget_batches(std::uint64_t last) {
  // NOLINTNEXTLINE(misc-include-cleaner): it knows only the erase_if of <vector>.
  erase_if(batches_, [last](const auto& item) { return item.second <= last; });
  batches_.rehash(0);
}

// A lease whose quarantine is over would get its addresses back today, but any key may have them.
bool Allocator::owns_addresses(Number lease) const {
  if (leases_.is_active(lease)) {
    return true;
  }
  const auto place = free_at_.find(lease);
  return place != free_at_.end() && place->second > clock_.now();
}

std::optional<std::string_view> Allocator::holder(const IpAddress& address) const {
  const auto lease = leases_.find(address);
  return lease && owns_addresses(*lease) ? std::optional(leases_.key(*lease)) : std::nullopt;
}

void Allocator::for_each(
    const std::function<void(std::string_view key, const Entry&)>& visit) const {
  leases_.for_each([&](Number lease) { visit(leases_.key(lease), entry(lease)); });
}

}  // namespace meshdns::vip
