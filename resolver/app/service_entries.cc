#include "resolver/app/service_entries.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/packed_text.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"

namespace meshdns::dns {
namespace {

// The octets of each address behind their number, which tells its family.
PackedText pack(const std::vector<IpAddress>& addresses) {
  std::string octets;
  for (const IpAddress& address : addresses) {
    octets += static_cast<char>(address.octets().size());
    octets.append(address.octets().begin(), address.octets().end());
  }
  return PackedText(octets);
}

std::vector<IpAddress> unpack_addresses(const PackedText& packed) {
  std::vector<IpAddress> addresses;
  for (std::string_view left = packed.view(); !left.empty();) {
    const std::string_view packed_octets = left.substr(1, static_cast<std::uint8_t>(left.front()));
    std::array<std::uint8_t, 16> octets{};
    std::ranges::copy(packed_octets, octets.begin());
    addresses.emplace_back(std::span(octets).first(packed_octets.size()));
    left.remove_prefix(1 + packed_octets.size());
  }
  return addresses;
}

}  // namespace

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

ServiceEntry ServiceEntries::Packed::unpack() const {
  return {.service = service.unpack(), .addresses = unpack_addresses(addresses), .status = status};
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
  entry->addresses = pack(addresses);
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

ServiceEntry ServiceEntries::at(const discovery::ServiceId& id) const {
  return entries_.find(discovery::ServiceIdView(id))->unpack();
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
