// Allocator: which key has which addresses, in memory. Deterministic, no I/O; belongs to the
// control thread.
//
// A released key keeps its addresses in quarantine and gets them back whenever it returns before
// somebody else needed them. An address whose quarantine is over is free for any key. Leases
// outside the present pools (the pool was changed) stay as they are.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/clock.h"
#include "base/ip_address.h"
#include "vip/lease_record.h"
#include "vip/lease_table.h"
#include "vip/pin.h"
#include "vip/pool.h"

namespace meshdns::vip {

// The key under which an address is in quarantine that its key has lost to a pin: no lease_key().
[[nodiscard]] std::string former_key(const IpAddress& address);

class Allocator {
 public:
  struct Options {
    std::optional<AddressPool> ipv4;
    std::optional<AddressPool> ipv6;
    std::chrono::nanoseconds quarantine{std::chrono::minutes(5)};
  };

  struct Entry {
    LeaseState state = LeaseState::kActive;
    std::optional<IpAddress> ipv4;
    std::optional<IpAddress> ipv6;
    std::uint64_t batch = 0;  // what set_batch() said, until forget_batches()
  };

  enum class Grant : std::uint8_t {
    kHeld,       // the key had it already: nothing changed
    kChanged,    // new or returned: must be recorded
    kExhausted,  // no address is left for one of the configured families; what it had stays
  };

  Allocator(const Options& options, Clock& clock);

  Grant acquire(std::string_view key);
  // False when the key holds nothing.
  bool release(std::string_view key);
  // Why `pin` may not be; nothing when it may.
  [[nodiscard]] std::optional<PinRefusal> refuse(const Pin& pin, PinMode mode) const;
  // Gives the pin's key its addresses, which nothing must speak against. An address of that family
  // that it held or had in quarantine is in quarantine from now on, as one of the key
  // former_key(). Returns the keys that changed.
  std::vector<std::string> pin(const Pin& pin);
  // Replays a record of a journal: the newest word about an address counts. A quarantine begins
  // anew.
  void restore(const LeaseRecord& record);
  // Forgets released keys whose quarantine is over; returns how many.
  std::size_t forget_expired();

  // Nothing for a key never seen or forgotten.
  [[nodiscard]] std::optional<Entry> find(std::string_view key) const;
  // The caller's: the journal's batch that the key's newest change is in. The key has an entry.
  void set_batch(std::string_view key, std::uint64_t batch);
  // Up to this one, since they are on disk.
  void forget_batches(std::uint64_t last);
  // The key that holds an address or has it in quarantine.
  [[nodiscard]] std::optional<std::string_view> holder(const IpAddress& address) const;
  void for_each(const std::function<void(std::string_view key, const Entry&)>& visit) const;
  [[nodiscard]] std::size_t active() const { return active_; }
  [[nodiscard]] std::size_t released() const { return leases_.size() - active_; }

 private:
  using Number = LeaseTable::Number;
  struct Quarantine {
    TimePoint end;
    Number lease = 0;
  };

  // refuse() for one address of the pin.
  [[nodiscard]] std::optional<PinRefusal> refuse(const std::string& key, const IpAddress& address,
                                                 PinMode mode) const;
  // An address of `pool` that is free, by the key's candidates; nothing when the pool is exhausted.
  [[nodiscard]] std::optional<IpAddress> choose(const AddressPool& pool, std::string_view key);
  [[nodiscard]] bool is_free(const IpAddress& address) const;
  // Gives it `address`; a released or contradicted holder loses it, and is erased with its last.
  void take(Number taker, const IpAddress& address);
  [[nodiscard]] bool has_address(Number lease) const;
  // Whether nobody else may have its addresses yet.
  [[nodiscard]] bool owns_addresses(Number lease) const;
  void erase(Number lease);
  [[nodiscard]] Entry entry(Number lease) const;
  void activate(Number lease);
  void begin_quarantine(Number lease);
  void end_quarantines();
  // Marks the lease as blocked (held or in quarantine: nobody else may have its addresses) or free,
  // and keeps the counts below.
  void set_blocked(Number lease, bool blocked);
  [[nodiscard]] const std::optional<AddressPool>& pool_of(const IpAddress& address) const {
    return address.is_v4() ? options_.ipv4 : options_.ipv6;
  }

  Options options_;
  Clock& clock_;
  LeaseTable leases_;
  // Of the released leases whose quarantine has not ended yet, when it does. `quarantines_` has
  // them by that time, and earlier ones that ended otherwise.
  boost::unordered_flat_map<Number, TimePoint> free_at_;
  std::deque<Quarantine> quarantines_;
  boost::unordered_flat_map<Number, std::uint64_t> batches_;  // see set_batch()
  std::size_t active_ = 0;
  // Addresses of blocked leases inside the present pools: what exhaustion is told by.
  std::uint64_t blocked_ipv4_ = 0;
  std::uint64_t blocked_ipv6_ = 0;
};

}  // namespace meshdns::vip
