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
#include "resolver/snapshot/page_table.h"
#include "resolver/snapshot/sip_hash.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// A zone whose names never go upstream.
struct OwnedZone {
  Name name;  // folded
  // Whether every feed that fills it has delivered. Until then its names are SERVFAIL with EDE 14.
  bool ready = false;
  // The pool whose addresses' reverse names this zone holds; none for a zone of names.
  std::optional<IpPrefix> pool;
};

// Where a name stands among zones: the innermost zone that holds it.
struct ZoneMatch {
  const OwnedZone* zone = nullptr;  // null: none of ours
  std::size_t offset = 0;           // of the zone's name within the name's octets
};

// The zones in a form that finds the innermost one of a name in one pass over its labels.
class ZoneSet {
 public:
  ZoneSet() = default;
  explicit ZoneSet(std::vector<OwnedZone> zones);

  // `folded` is any folded name.
  [[nodiscard]] ZoneMatch find(NameView folded) const;
  [[nodiscard]] std::span<const OwnedZone> zones() const { return zones_; }

 private:
  std::vector<OwnedZone> zones_;
  std::array<bool, kMaxNameOctets + 1> has_size_{};  // whether any zone's name has so many octets
};

struct ZoneTimes {
  std::uint32_t ttl = 30;         // of addresses, pointers, SOA and NS, in seconds
  std::uint32_t soa_minimum = 5;  // RFC 2308: how long a client may remember that there is nothing
};

// Names by the hash of their folded octets; addresses of our pools by the hash of theirs.
struct SnapshotTables {
  PageTable<NameEntry> names;
  PageTable<PointerEntry> pointers;
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
  };
  struct Pointer {
    NameView target;
    std::uint32_t ttl = 0;
  };

  Snapshot(const SnapshotTables& tables, std::shared_ptr<const ZoneSet> zones, const HashKey& key,
           ZoneTimes times, std::uint64_t number);

  [[nodiscard]] std::uint64_t hash(NameView folded) const {
    return sip_hash<1, 3>(key_, folded.octets());
  }
  void prefetch(std::uint64_t hash) const { tables_.names.prefetch(hash); }
  // `hash` is hash(folded). A name that is a zone's apex alone is absent here.
  [[nodiscard]] Host find(NameView folded, std::uint64_t hash) const;
  // The name that `address` leads back to, if that name still has the address.
  [[nodiscard]] std::optional<Pointer> find_pointer(const IpAddress& address) const;

  [[nodiscard]] const ZoneSet& zones() const { return *zones_; }
  [[nodiscard]] const ZoneTimes& times() const { return times_; }
  // 1, 2, 3, ... by build; also the SOA serial.
  [[nodiscard]] std::uint64_t number() const { return number_; }

  // For /table and metrics; not hot.
  [[nodiscard]] const SnapshotTables& tables() const { return tables_; }

 private:
  SnapshotTables tables_;
  std::shared_ptr<const ZoneSet>
      zones_;  // shared between snapshots; readers do not touch the count
  HashKey key_;
  ZoneTimes times_;
  std::uint64_t number_;
};

// The hash under which `address` is filed.
[[nodiscard]] std::uint64_t hash_address(const HashKey& key, const IpAddress& address);

}  // namespace meshdns::dns
