#include "resolver/snapshot/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "resolver/snapshot/page_table.h"
#include "resolver/snapshot/sip_hash.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
ZoneSet::ZoneSet(std::vector<OwnedZone> zones) : zones_(std::move(zones)) {
  for (const OwnedZone& zone : zones_) {
    has_size_.at(zone.name.size()) = true;
  }
}

ZoneMatch ZoneSet::find(NameView folded) const {
  const auto octets = folded.octets();
  // From the whole name to shorter suffixes: the first zone met is the innermost.
  for (std::size_t at = 0; at < octets.size(); at += octets[at] + 1U) {
    if (!has_size_.at(octets.size() - at)) {
      continue;
    }
    const NameView suffix(octets.subspan(at));
    for (const OwnedZone& zone : zones_) {
      if (zone.name.view() == suffix) {
        return {.zone = &zone, .offset = at};
      }
    }
  }
  return {};
}

Snapshot::Snapshot(const SnapshotTables& tables, std::shared_ptr<const ZoneSet> zones,
                   const HashKey& key, ZoneTimes times, std::uint64_t number)
    : tables_(tables), zones_(std::move(zones)), key_(key), times_(times), number_(number) {}

Snapshot::Host Snapshot::find(NameView folded, std::uint64_t hash) const {
  const NameEntry* const entry = tables_.names.find(
      hash, [folded](const NameEntry& candidate) { return candidate.name() == folded; });
  if (entry == nullptr) {
    return {};
  }
  switch (entry->kind) {
    case EntryKind::kHost:
      return {.state = NameState::kHost,
              .ttl = entry->ttl,
              .ipv4 = entry->ipv4_octets(),
              .ipv6 = entry->ipv6_octets()};
    case EntryKind::kWithheld:
      return {.state = NameState::kWithheld, .ttl = entry->ttl, .ipv4 = {}, .ipv6 = {}};
    default:
      return {.state = NameState::kEmptyNonTerminal, .ttl = 0, .ipv4 = {}, .ipv6 = {}};
  }
}

std::optional<Snapshot::Pointer> Snapshot::find_pointer(const IpAddress& address) const {
  const PointerEntry* const pointer = tables_.pointers.find(
      hash_address(key_, address),
      [&address](const PointerEntry& candidate) { return candidate.is_of(address); });
  if (pointer == nullptr) {
    return std::nullopt;
  }
  const NameEntry* const target = tables_.names.find(
      pointer->name_hash,
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
