#include "resolver/snapshot/snapshot.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "resolver/snapshot/page_table.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/standing.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

Snapshot::Snapshot(const SnapshotTables& tables, std::shared_ptr<const ZoneSet> zones,
                   std::shared_ptr<const StaticRecords> static_records, PortListView port_lists,
                   const HashKey& key, ZoneTimes times, std::uint64_t number, Standing standing)
    : tables_(tables),
      zones_(std::move(zones)),
      static_records_(std::move(static_records)),
      port_lists_(std::move(port_lists)),
      key_(key),
      times_(times),
      number_(number),
      standing_(standing) {}

Snapshot::Host Snapshot::find(NameView folded, std::uint64_t hash) const {
  const NameEntry* entry = tables_.names.find(
      hash, [folded](const NameEntry& candidate) { return candidate.name() == folded; });
  if (entry == nullptr && tables_.wildcards.any()) {
    entry = find_wildcard(folded);
  }
  if (entry == nullptr) {
    return {};
  }
  switch (entry->kind) {
    case EntryKind::kHost:
      return {.state = NameState::kHost,
              .ttl = entry->ttl,
              .ipv4 = entry->ipv4_octets(),
              .ipv6 = entry->ipv6_octets(),
              .ports = entry->ports};
    case EntryKind::kWithheld:
      return {.state = NameState::kWithheld,
              .ttl = entry->ttl,
              .ipv4 = {},
              .ipv6 = {},
              .ports = entry->ports};
    default:
      return {.state = NameState::kEmptyNonTerminal,
              .ttl = 0,
              .ipv4 = {},
              .ipv6 = {},
              .ports = kNoPorts};
  }
}

const NameEntry* Snapshot::find_wildcard(NameView folded) const {
  std::size_t labels = folded.label_count();
  for (NameView above = folded; !above.is_root(); --labels) {
    above = above.parent();
    if (!tables_.wildcards.has(labels)) {
      continue;
    }
    // No longer than the name itself, whose first label has an octet at least.
    std::array<std::uint8_t, kMaxNameOctets> octets{1, '*'};
    std::ranges::copy(above.octets(), octets.begin() + 2);
    const auto wildcard = NameView(std::span(octets).first(above.size() + 2));
    const NameEntry* const entry =
        tables_.names.find(hash(wildcard), [wildcard](const NameEntry& candidate) {
          return is_host(candidate.kind) && candidate.name() == wildcard;
        });
    if (entry != nullptr) {
      return entry;
    }
  }
  return nullptr;
}

std::optional<Snapshot::Pointer> Snapshot::find_pointer(const IpAddress& address) const {
  const PointerEntry* const pointer = tables_.pointers.find(
      hash_address(key_, address),
      [&address](const PointerEntry& candidate) { return candidate.is_of(address); });
  return pointer == nullptr ? std::nullopt : follow(*pointer);
}

std::optional<Snapshot::Pointer> Snapshot::follow(const PointerEntry& pointer) const {
  const IpAddress address = pointer.address();
  const NameEntry* const target = tables_.names.find(
      pointer.name_hash,
      [&address](const NameEntry& candidate) { return candidate.has_address(address); });
  if (target == nullptr) {
    return std::nullopt;
  }
  return Pointer{.target = target->name(), .ttl = target->ttl};
}

std::uint64_t hash_address(const HashKey& key, const IpAddress& address) {
  return sip_hash<1, 3>(key, address.octets());
}

}  // namespace meshdns::dns
