// Records from zone files and hosts files: what an operator wrote, before anything that a feed
// says.
//
// Immutable, shared by the snapshots that are made while it is in force; any thread may read it.
// Look-ups allocate nothing. Hot path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/sip_hash.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// One record, and where it was written ("FILE:LINE").
struct StaticRecord {
  Name owner;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::vector<std::uint8_t> rdata;  // names in it uncompressed
  std::string origin;
};

// The records of one type that a name has. One TTL for all (RFC 2181 section 5.2).
struct StaticRrset {
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::vector<std::vector<std::uint8_t>> rdata;
};

// What a name has. Without RRsets it is an empty non-terminal.
class StaticNode {
 public:
  // Null when there is none of that type.
  [[nodiscard]] const StaticRrset* find(std::uint16_t type) const;
  [[nodiscard]] std::span<const StaticRrset> rrsets() const { return rrsets_; }
  // Whether it says which addresses the name has: then no feed does.
  [[nodiscard]] bool decides_addresses() const;

 private:
  friend class StaticRecords;
  std::vector<StaticRrset> rrsets_;
};

class StaticRecords {
 public:
  // None at all.
  StaticRecords();
  // Fails, naming where, on records that contradict each other or that are not served as they are
  // meant: CNAME beside other data, or two of them (RFC 2181 section 10.1), an alias that leads out
  // of what is held here, two SOAs for a zone, a zone without NS, DNAME and delegations, an RRset
  // that fits no message. `owned` are the zones of names that are held in any case.
  [[nodiscard]] static Result<std::shared_ptr<const StaticRecords>> create(
      std::span<const StaticRecord> records, const ZoneSet& owned);

  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  // `folded` is any folded name. Null when it has no record here, nor any name below it.
  [[nodiscard]] const StaticNode* find(NameView folded) const;
  // The zones whose SOA is here.
  [[nodiscard]] const ZoneSet& zones() const { return zones_; }
  // Whether any name is a wildcard (RFC 4592).
  [[nodiscard]] bool has_wildcards() const { return has_wildcards_; }
  [[nodiscard]] std::size_t record_count() const { return record_count_; }

 private:
  struct OctetsHash {
    using is_transparent = void;
    HashKey key;  // random: names come from clients
    OctetsHash() : key(HashKey::random()) {}
    std::size_t operator()(std::string_view octets) const;
  };

  [[nodiscard]] Result<void> add(const StaticRecord& record);
  void add_ancestors(NameView name, NameView zone);
  [[nodiscard]] Result<void> check(const StaticRecord& record, const ZoneSet& owned) const;

  std::unordered_map<std::string, StaticNode, OctetsHash, std::equal_to<>> nodes_;  // folded wire
  ZoneSet zones_;
  bool has_wildcards_ = false;
  std::size_t record_count_ = 0;
};

}  // namespace meshdns::dns
