// LeaseTable: every key with its addresses, and who has an address. Packed, since there is one for
// each of perhaps a million services: 16 octets a lease, 20 for an IPv6 address, its key, and four
// octets in each of the tables that find it.
//
// No rules but that an address has one lease: those are the Allocator's, whose it is. One thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/ip_address.h"
#include "base/number_index.h"
#include "base/numbered_values.h"
#include "base/packed_text.h"

namespace meshdns::vip {

class LeaseTable {
 public:
  using Number = std::uint32_t;  // of a lease, until it is erased

  LeaseTable() = default;
  LeaseTable(const LeaseTable&) = delete;
  LeaseTable& operator=(const LeaseTable&) = delete;
  LeaseTable(LeaseTable&&) = delete;
  LeaseTable& operator=(LeaseTable&&) = delete;
  ~LeaseTable() = default;

  [[nodiscard]] std::optional<Number> find(std::string_view key) const;
  [[nodiscard]] std::optional<Number> find(const IpAddress& address) const;
  // A lease without addresses, neither active nor blocked. No other has the key.
  Number insert(std::string_view key);
  void erase(Number lease);

  // As long as the lease.
  [[nodiscard]] std::string_view key(Number lease) const { return leases_[lease].key.view(); }
  [[nodiscard]] std::optional<IpAddress> address(Number lease, IpFamily family) const;
  // Instead of the one it had of that family. No other lease has it.
  void set_address(Number lease, const IpAddress& address);
  void clear_address(Number lease, IpFamily family);

  [[nodiscard]] bool is_active(Number lease) const { return leases_[lease].is_active; }
  void set_active(Number lease, bool active) { leases_[lease].is_active = active; }
  [[nodiscard]] bool is_blocked(Number lease) const { return leases_[lease].is_blocked; }
  void set_blocked(Number lease, bool blocked) { leases_[lease].is_blocked = blocked; }

  [[nodiscard]] std::size_t size() const { return by_key_.size(); }
  // Calls `visit(Number)` for every lease, in no order. It may change a lease's flags.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const Number lease : by_key_) {
      visit(lease);
    }
  }

 private:
  using Ipv4 = std::array<std::uint8_t, 4>;
  using Ipv6 = std::array<std::uint8_t, 16>;

  static constexpr std::uint32_t kNoIpv6 = (1U << 29U) - 1;  // more would take 16 GiB and more

  struct Lease {
    PackedText key;
    Ipv4 ipv4{};
    std::uint32_t ipv6 : 29 = kNoIpv6;  // a number of `ipv6_`
    bool has_ipv4 : 1 = false;
    bool is_active : 1 = false;
    bool is_blocked : 1 = false;
  };
  static_assert(sizeof(Lease) == 16);
  // Apart, since most leases have none.
  struct Ipv6Address {
    Ipv6 octets{};
    Number lease = 0;
  };

  // What a lease, or its IPv6 address, is found by.
  struct ByKey {
    using Key = std::string_view;
    static Key of(const Lease& lease) { return lease.key.view(); }
    static std::size_t hash(Key key) { return std::hash<Key>{}(key); }
  };
  struct ByIpv4 {
    using Key = Ipv4;
    static const Key& of(const Lease& lease) { return lease.ipv4; }
    static std::size_t hash(const Key& address) { return std::bit_cast<std::uint32_t>(address); }
  };
  struct ByIpv6 {
    using Key = Ipv6;
    static const Key& of(const Ipv6Address& address) { return address.octets; }
    static std::size_t hash(const Key& address);
  };

  NumberedValues<Lease> leases_;
  NumberedValues<Ipv6Address> ipv6_;
  NumberIndex<Lease, ByKey> by_key_{leases_};
  NumberIndex<Lease, ByIpv4> by_ipv4_{leases_};  // those that have one
  NumberIndex<Ipv6Address, ByIpv6> by_ipv6_{ipv6_};
};

}  // namespace meshdns::vip
