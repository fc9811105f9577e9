// ServiceEntries: every service as it is answered, kept small, since there may be a million.
//
// Control thread only. Entries come out as values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>

#include "base/ip_address.h"
#include "base/numbered_values.h"
#include "base/packed_text.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"

namespace meshdns::dns {

// Where a service's addresses come from, or why it has none.
enum class AddressStatus : std::uint8_t {
  kGiven,      // by the feed
  kEndpoints,  // they are those of its endpoints
  kLeased,     // from our pool, on disk (or in memory where that is allowed)
  kPending,    // from our pool, not on disk yet
  kUnstored,   // from our pool, and the disk refuses it
  kExhausted,  // our pool has none left
  kConflict,   // the feed's address is leased to another service
  kAwaited,    // those of its endpoints, or the control plane's, which are not known yet
};

[[nodiscard]] std::string_view to_string(AddressStatus status);

// True when the service's names answer SERVFAIL.
[[nodiscard]] bool is_withheld(AddressStatus status);

// One service as it is answered.
struct ServiceEntry {
  discovery::Service service;
  std::vector<IpAddress> addresses;  // also of a pending lease
  AddressStatus status = AddressStatus::kPending;
};

class ServiceEntries {
  enum class AddressForm : std::uint8_t {
    kNone,
    kOneIpv4,  // as most services have
    kList,     // any others
  };
  // What changes has no part in the order.
  struct Packed {
    mutable discovery::PackedService service;
    mutable std::uint32_t addresses = 0;  // the octets of the one, or the number of the list
    mutable AddressForm form = AddressForm::kNone;
    mutable AddressStatus status = AddressStatus::kPending;
  };
  static_assert(sizeof(Packed) == 16);
  struct Order {
    using is_transparent = void;
    static discovery::ServiceIdView id(const Packed& entry) { return entry.service.id(); }
    static discovery::ServiceIdView id(discovery::ServiceIdView id) { return id; }
    bool operator()(const auto& a, const auto& b) const { return id(a) < id(b); }
  };
  using Entries = absl::btree_set<Packed, Order>;

 public:
  // Where an entry stands, until one is added or erased: what else is asked of it or told about it
  // needs no search.
  class Place {
    friend ServiceEntries;
    explicit Place(Entries::const_iterator entry) : entry_(entry) {}
    Entries::const_iterator entry_;
  };
  struct Added {
    Place place;
    bool is_new = false;
  };

  // A new service without addresses whose lease is pending; one that is there stays as it is.
  Added add(const discovery::PackedService& service);
  // What is known of it now. Its id, its addresses and their status stay.
  void set_service(Place place, const discovery::PackedService& service);
  void set_addresses(Place place, const std::vector<IpAddress>& addresses, AddressStatus status);
  void erase(Place place);

  [[nodiscard]] std::optional<Place> place_of(const discovery::ServiceId& id) const;
  [[nodiscard]] ServiceEntry at(Place place) const { return unpack(*place.entry_); }
  [[nodiscard]] std::optional<ServiceEntry> find(const discovery::ServiceId& id) const;
  [[nodiscard]] bool contains(const discovery::ServiceId& id) const {
    return place_of(id).has_value();
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  // Calls `visit` with each entry, in the order of their ids.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Packed& entry : entries_) {
      visit(unpack(entry));
    }
  }
  // At most `count` of them, behind `id` if there is one.
  [[nodiscard]] std::vector<ServiceEntry> some(const discovery::ServiceId* id,
                                               std::size_t count) const;

 private:
  using Ipv4 = std::array<std::uint8_t, 4>;

  [[nodiscard]] ServiceEntry unpack(const Packed& entry) const;
  void forget_addresses(const Packed& entry);

  Entries entries_;
  NumberedValues<PackedText> lists_;  // of addresses, see pack()
};

}  // namespace meshdns::dns
