// ServiceEntries: every service as it is answered, kept small, since there may be a million.
//
// Control thread only. Entries come out as values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>

#include "base/ip_address.h"
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
 public:
  // A new service without addresses whose lease is pending, or what is known of one that is there:
  // its addresses and status stay.
  void set_service(const discovery::PackedService& service);
  // The service is there.
  void set_addresses(const discovery::ServiceId& id, const std::vector<IpAddress>& addresses,
                     AddressStatus status);
  void erase(const discovery::ServiceId& id);

  [[nodiscard]] std::optional<ServiceEntry> find(const discovery::ServiceId& id) const;
  // The service is there.
  [[nodiscard]] ServiceEntry at(const discovery::ServiceId& id) const;
  [[nodiscard]] bool contains(const discovery::ServiceId& id) const {
    return entries_.contains(discovery::ServiceIdView(id));
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  // Calls `visit` with each entry, in the order of their ids.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Packed& entry : entries_) {
      visit(entry.unpack());
    }
  }
  // At most `count` of them, behind `id` if there is one.
  [[nodiscard]] std::vector<ServiceEntry> some(const discovery::ServiceId* id,
                                               std::size_t count) const;

 private:
  // What changes has no part in the order.
  struct Packed {
    mutable discovery::PackedService service;
    mutable PackedText addresses = {};
    mutable AddressStatus status = AddressStatus::kPending;

    [[nodiscard]] ServiceEntry unpack() const;
  };
  struct Order {
    using is_transparent = void;
    static discovery::ServiceIdView id(const Packed& entry) { return entry.service.id(); }
    static discovery::ServiceIdView id(discovery::ServiceIdView id) { return id; }
    bool operator()(const auto& a, const auto& b) const { return id(a) < id(b); }
  };

  absl::btree_set<Packed, Order> entries_;
};

}  // namespace meshdns::dns
