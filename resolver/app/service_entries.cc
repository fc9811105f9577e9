#include "resolver/app/service_entries.h"

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"

namespace meshdns::dns {

std::string_view to_string(AddressStatus status) {
  switch (status) {
    case AddressStatus::kGiven:
      return "given";
    case AddressStatus::kEndpoints:
      return "endpoints";
    case AddressStatus::kLeased:
      return "leased";
    case AddressStatus::kPending:
      return "pending";
    case AddressStatus::kUnstored:
      return "unstored";
    case AddressStatus::kExhausted:
      return "exhausted";
    case AddressStatus::kConflict:
      return "conflict";
    case AddressStatus::kAwaited:
      return "awaited";
  }
  return "unknown";
}

bool is_withheld(AddressStatus status) {
  return status != AddressStatus::kGiven && status != AddressStatus::kEndpoints &&
         status != AddressStatus::kLeased;
}

void ServiceEntries::set_service(const discovery::PackedService& service) {
  const auto [entry, is_new] = entries_.insert(Packed{.service = service});
  if (!is_new) {
    entry->service = service;
  }
}

void ServiceEntries::set_addresses(const discovery::ServiceId& id,
                                   const std::vector<IpAddress>& addresses, AddressStatus status) {
  const auto entry = entries_.find(discovery::ServiceIdView(id));
  entry->addresses = addresses;  // an exact copy: no room is left over
  entry->status = status;
}

void ServiceEntries::erase(const discovery::ServiceId& id) {
  const auto entry = entries_.find(discovery::ServiceIdView(id));
  if (entry != entries_.end()) {
    entries_.erase(entry);
  }
}

std::optional<ServiceEntry> ServiceEntries::find(const discovery::ServiceId& id) const {
  const auto entry = entries_.find(discovery::ServiceIdView(id));
  return entry == entries_.end() ? std::nullopt : std::optional(entry->unpack());
}

std::vector<ServiceEntry> ServiceEntries::some(const discovery::ServiceId* id,
                                               std::size_t count) const {
  std::vector<ServiceEntry> some;
  auto entry =
      id == nullptr ? entries_.begin() : entries_.upper_bound(discovery::ServiceIdView(*id));
  for (; some.size() < count && entry != entries_.end(); ++entry) {
    some.push_back(entry->unpack());
  }
  return some;
}

}  // namespace meshdns::dns
