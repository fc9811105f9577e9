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
#include <boost/unordered/unordered_map.hpp>

#include "base/clock.h"
#include "base/ip_address.h"
#include "vip/lease_record.h"
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
    TimePoint free_at;  // released: when the quarantine ends
    std::uint64_t generation =
        0;                    // counts releases, so that a quarantine of an earlier one is known
    bool blocked = false;     // held or in quarantine: nobody else may have the addresses
    std::uint64_t batch = 0;  // the caller's: the journal's batch that its newest change is in
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
  [[nodiscard]] const Entry* find(std::string_view key) const;
  // Sets the entry's `batch`; the key has one.
  void set_batch(std::string_view key, std::uint64_t batch) {
    entries_.find(key)->second.batch = batch;
  }
  // The key that holds an address or has it in quarantine.
  [[nodiscard]] std::optional<std::string_view> holder(const IpAddress& address) const;
  void for_each(const std::function<void(std::string_view key, const Entry&)>& visit) const;
  [[nodiscard]] std::size_t active() const { return active_; }
  [[nodiscard]] std::size_t released() const { return entries_.size() - active_; }

 private:
  struct Quarantined {
    TimePoint until;
    std::string key;
    std::uint64_t generation = 0;
  };
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>{}(key);
    }
  };
  using Entries = boost::unordered_map<std::string, Entry, KeyHash, std::equal_to<>>;
  using Holding = Entries::value_type;  // stays where it is until it is erased

  // refuse() for one address of the pin.
  [[nodiscard]] std::optional<PinRefusal> refuse(const std::string& key, const IpAddress& address,
                                                 PinMode mode) const;
  // An address of `pool` that is free, by the key's candidates; nothing when the pool is exhausted.
  [[nodiscard]] std::optional<IpAddress> choose(const AddressPool& pool, std::string_view key);
  [[nodiscard]] bool is_free(const IpAddress& address) const;
  // Gives it `address`; a released or contradicted holder loses it, and is erased with its last.
  void take(Holding& taker, const IpAddress& address);
  void begin_quarantine(const std::string& key, Entry& entry);
  [[nodiscard]] const std::optional<AddressPool>& pool_of(const IpAddress& address) const {
    return address.is_v4() ? options_.ipv4 : options_.ipv6;
  }
  void end_quarantines();
  // Marks the entry as blocked or free and keeps the counts below.
  void set_blocked(Entry& entry, bool blocked);

  Options options_;
  Clock& clock_;
  Entries entries_;
  boost::unordered_flat_map<IpAddress, Holding*, std::hash<IpAddress>> holders_;
  std::deque<Quarantined> quarantines_;  // by end
  std::size_t active_ = 0;
  // Addresses of blocked entries inside the present pools: what exhaustion is told by.
  std::uint64_t blocked_ipv4_ = 0;
  std::uint64_t blocked_ipv6_ = 0;
};

}  // namespace meshdns::vip
