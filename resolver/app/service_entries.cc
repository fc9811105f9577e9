#include "resolver/app/service_entries.h"

#include <algorithm>
#include <array>
#include <bit>
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

ServiceEntries::Added ServiceEntries::add(const discovery::PackedService& service) {
  const auto [entry, is_new] = entries_.insert(Packed{.service = service});
  return {.place = Place(entry), .is_new = is_new};
}

void ServiceEntries::set_service(Place place, const discovery::PackedService& service) {
  place.entry_->service = service;
}

void ServiceEntries::set_addresses(Place place, const std::vector<IpAddress>& addresses,
                                   AddressStatus status) {
  const Packed& entry = *place.entry_;
  forget_addresses(entry);
  entry.status = status;
  if (addresses.empty()) {
    return;
  }
  if (addresses.size() == 1 && addresses.front().is_v4()) {
    Ipv4 octets{};
    std::ranges::copy(addresses.front().octets(), octets.begin());
    entry.addresses = std::bit_cast<std::uint32_t>(octets);
    entry.form = AddressForm::kOneIpv4;
  } else {
    entry.addresses = lists_.add(pack(addresses));
    entry.form = AddressForm::kList;
  }
}

void ServiceEntries::forget_addresses(const Packed& entry) {
  if (entry.form == AddressForm::kList) {
    lists_.remove(entry.addresses);
  }
  entry.form = AddressForm::kNone;
}

void ServiceEntries::erase(Place place) {
  forget_addresses(*place.entry_);
  entries_.erase(place.entry_);
}

ServiceEntry ServiceEntries::unpack(const Packed& entry) const {
  ServiceEntry unpacked{.service = entry.service.unpack(), .addresses = {}, .status = entry.status};
  if (entry.form == AddressForm::kOneIpv4) {
    unpacked.addresses = {IpAddress(std::bit_cast<Ipv4>(entry.addresses))};
  } else if (entry.form == AddressForm::kList) {
    unpacked.addresses = unpack_addresses(lists_[entry.addresses]);
  }
  return unpacked;
}

std::optional<ServiceEntries::Place> ServiceEntries::place_of(
    const discovery::ServiceId& id) const {
  const auto entry = entries_.find(discovery::ServiceIdView(id));
  return entry == entries_.end() ? std::nullopt : std::optional(Place(entry));
}

std::optional<ServiceEntry> ServiceEntries::find(const discovery::ServiceId& id) const {
  const auto place = place_of(id);
  return place ? std::optional(at(*place)) : std::nullopt;
}

std::vector<ServiceEntry> ServiceEntries::some(const discovery::ServiceId* id,
                                               std::size_t count) const {
  std::vector<ServiceEntry> some;
  auto entry =
      id == nullptr ? entries_.begin() : entries_.upper_bound(discovery::ServiceIdView(*id));
  for (; some.size() < count && entry != entries_.end(); ++entry) {
    some.push_back(unpack(*entry));
  }
  return some;
}

}  // namespace meshdns::dns
