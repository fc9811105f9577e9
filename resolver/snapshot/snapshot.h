// An immutable view of all names that the resolver answers itself. Hot path.
//
// Made by SnapshotBuilder and destroyed on the control thread; any thread may read it meanwhile
// (see SnapshotHolder). Look-ups take no lock and allocate nothing; views they return live as long
// as the snapshot.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "resolver/snapshot/page_table.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/standing.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/wildcard_depths.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

struct ZoneTimes {
  std::uint32_t ttl = 30;          // of addresses, pointers, SOA and NS, in seconds
  std::uint32_t soa_minimum = 5;   // RFC 2308: how long a client may remember that there is nothing
  std::uint32_t instance_ttl = 5;  // of the addresses of endpoints, unless `ttl` is shorter
};

// Names by the hash of their folded octets; addresses of our pools by the hash of theirs.
struct SnapshotTables {
  PageTable<NameEntry> names;
  PageTable<PointerEntry> pointers;
  WildcardDepths wildcards;  // among the names: hosts, and those that are withheld
};

class Snapshot {
 public:
  enum class NameState : std::uint8_t {
    kAbsent,
    kHost,
    kWithheld,  // a service whose address may not be told: SERVFAIL for its addresses
    kEmptyNonTerminal,
  };
  struct Host {
    NameState state = NameState::kAbsent;
    std::uint32_t ttl = 0;
    std::span<const std::uint8_t> ipv4;  // four octets per address
    std::span<const std::uint8_t> ipv6;  // sixteen
    PortListIndex ports = kNoPorts;

    // Whether a service or a record has the name.
    [[nodiscard]] bool is_named() const {
      return state == NameState::kHost || state == NameState::kWithheld;
    }
  };
  struct Pointer {
    NameView target;
    std::uint32_t ttl = 0;
  };

  Snapshot(const SnapshotTables& tables, std::shared_ptr<const ZoneSet> zones,
           std::shared_ptr<const StaticRecords> static_records, PortListView port_lists,
           const HashKey& key, ZoneTimes times, std::uint64_t number, Standing standing = {});

  [[nodiscard]] std::uint64_t hash(NameView folded) const {
    return sip_hash<1, 3>(key_, folded.octets());
  }
  void prefetch(std::uint64_t hash) const { tables_.names.prefetch(hash); }
  // `hash` is hash(folded). A name that is a zone's apex alone is absent here. For a name that is
  // not there stands the wildcard with the most labels that it is below, however many labels lie
  // between: unlike RFC 4592's, a feed's wildcard is not hidden by names beside the one asked for.
  [[nodiscard]] Host find(NameView folded, std::uint64_t hash) const;
  // The ports of a host that find() gave.
  [[nodiscard]] std::span<const Port> ports(const Host& host) const {
    return port_lists_.find(host.ports);
  }
  // The name that `address` leads back to, if that name still has the address.
  [[nodiscard]] std::optional<Pointer> find_pointer(const IpAddress& address) const;
  // The same for an entry of tables().pointers.
  [[nodiscard]] std::optional<Pointer> follow(const PointerEntry& pointer) const;

  // The zones that feeds fill, and the reverse ones.
  [[nodiscard]] const ZoneSet& zones() const { return *zones_; }
  // The zone whose word counts for the name now: none for a shared one whose names are all known.
  [[nodiscard]] ZoneMatch find_zone(NameView folded) const {
    const ZoneMatch match = zones_->find(folded);
    const bool is_open =
        match.zone != nullptr && match.zone->is_shared && match.zone->ready && standing_.denies;
    return is_open ? ZoneMatch{} : match;
  }
  // What comes before all feeds. Its names are not in tables().
  [[nodiscard]] const StaticRecords& static_records() const { return *static_records_; }
  [[nodiscard]] const ZoneTimes& times() const { return times_; }
  // Of the names that feeds told.
  [[nodiscard]] const Standing& standing() const { return standing_; }
  // 1, 2, 3, ... by build; also the SOA serial.
  [[nodiscard]] std::uint64_t number() const { return number_; }

  // For /table and metrics; not hot.
  [[nodiscard]] const SnapshotTables& tables() const { return tables_; }

 private:
  // Null where none stands for the name.
  [[nodiscard]] const NameEntry* find_wildcard(NameView folded) const;

  SnapshotTables tables_;
  // Shared between snapshots; readers do not touch the counts.
  std::shared_ptr<const ZoneSet> zones_;
  std::shared_ptr<const StaticRecords> static_records_;
  PortListView port_lists_;
  HashKey key_;
  ZoneTimes times_;
  std::uint64_t number_;
  Standing standing_;
};

// The hash under which `address` is filed.
[[nodiscard]] std::uint64_t hash_address(const HashKey& key, const IpAddress& address);

}  // namespace meshdns::dns
