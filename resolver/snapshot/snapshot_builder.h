// Keeps the names of services, records and instances, and makes snapshots of them. What a change
// costs follows the change, not the table.
//
// Control thread only. Snapshots it made are independent of it.
//
// A name that two owners claim stays with the first; the next in line takes it when the first lets
// go. Services and records come before instances, among themselves order of arrival decides, so the
// same calls always give the same table. Claims are reported to the caller, who logs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/ip_address.h"
#include "base/number_index.h"
#include "base/numbered_values.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/claimed_addresses.h"
#include "resolver/snapshot/claimed_names.h"
#include "resolver/snapshot/claims.h"
#include "resolver/snapshot/owner.h"
#include "resolver/snapshot/page_table.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_image.h"
#include "resolver/snapshot/standing.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/snapshot/zone_states.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// What a service's names answer.
struct NameAddresses {
  std::vector<IpAddress> addresses = {};  // both families; the order within a family is kept
  // No address may be told (pool exhausted, not on disk): SERVFAIL with EDE 0 instead of NODATA.
  bool withheld = false;
  // They are those of single endpoints, which come and go: told for as long as an instance's are.
  bool are_endpoints = false;
};

// A hostname of the upserted owner that somebody else holds.
struct NameClash {
  std::string name;    // presentation form
  std::string holder;  // "MESH/NAME" of a service, "record NAME", "instance NAME of MESH/NAME", or
                       // "static records"
};

// One workload of a service.
struct Instance {
  discovery::ServiceId service;
  std::string name;
  std::vector<std::string> hostnames = {};
  std::vector<IpAddress> addresses = {};  // as in NameAddresses
};

struct UpsertReport {
  std::vector<NameClash> clashes;
  std::vector<std::string> rejected;      // hostnames that are no DNS names; the others were taken
  std::vector<NameClash> displaced = {};  // hostnames that an instance had, or would have: `holder`
  // More different port lists are in use than can be kept: SERVFAIL for types that tell ports.
  bool ports_not_told = false;

  // As of nearly every upsert.
  [[nodiscard]] bool empty() const {
    return clashes.empty() && rejected.empty() && displaced.empty() && !ports_not_told;
  }
};

class SnapshotBuilder {
 public:
  struct Options {
    std::vector<std::string> owned_zones{"mesh."};  // presentation form
    std::vector<std::string> shared_zones = {};     // OwnedZone::is_shared; not inside an owned one
    std::vector<IpPrefix> vip_pools = {};           // their reverse zones are owned as well
    ZoneTimes times = {};
    HttpsRecords https_records = HttpsRecords::kTlsPorts;
    std::optional<HashKey> hash_key = std::nullopt;  // random when absent; given in tests
  };

  // Fails on a zone that is no DNS name, or the root. A shared zone inside an owned one is owned.
  // All zones start as not ready.
  [[nodiscard]] static Result<std::unique_ptr<SnapshotBuilder>> create(const Options& options);
  SnapshotBuilder(const SnapshotBuilder&) = delete;
  SnapshotBuilder& operator=(const SnapshotBuilder&) = delete;
  SnapshotBuilder(SnapshotBuilder&&) = delete;
  SnapshotBuilder& operator=(SnapshotBuilder&&) = delete;
  ~SnapshotBuilder();

  // Adds the service's hostnames, or replaces what this service had. An equal upsert changes
  // nothing.
  UpsertReport upsert_service(const discovery::Service& service, const NameAddresses& addresses);
  void remove_service(const discovery::ServiceId& id);
  // The same for a record, whose TTL is its own if it has one.
  UpsertReport upsert_record(const discovery::NameRecord& record);
  void remove_record(std::string_view name);
  // The same for an instance. Its addresses do not lead back to it.
  UpsertReport upsert_instance(const Instance& instance);
  void remove_instance(const discovery::ServiceId& service, const std::string& name);

  // Whether the feeds that fill the zones have delivered. Of all zones, reverse ones too, or of
  // one.
  void set_ready(bool ready) { zones_.set_ready(ready); }
  void set_ready(NameView zone, bool ready) { zones_.set_ready(zone, ready); }
  // Whether a feed of instances has yet to deliver; at first nobody waits for one.
  void set_awaits_instances(bool awaits) { zones_.set_awaits_instances(awaits); }

  // The zones that services and records fill, and the reverse ones.
  [[nodiscard]] const ZoneSet& zones() const { return *zones_.current(); }

  // What comes before all services and records, from the next snapshot on.
  void set_static_records(std::shared_ptr<const StaticRecords> records);
  [[nodiscard]] const StaticRecords& static_records() const { return *static_records_; }

  // Snapshots are made of the image's names instead, in zones that are ready, until drop_image().
  void serve_image(std::unique_ptr<const SnapshotImage> image);
  void drop_image() { image_.reset(); }
  [[nodiscard]] bool serves_image() const { return image_ != nullptr; }

  // How far the names of the next snapshots can be relied on. An image that is not complete denies
  // nothing in any case.
  void set_age(Standing::Age age) { standing_.age = age; }
  void set_denies(bool denies) { standing_.denies = denies; }
  [[nodiscard]] const Standing& standing() const { return standing_; }

  // Under which names are filed.
  [[nodiscard]] const HashKey& hash_key() const { return key_; }

  // The names as they are now, as the next snapshot.
  [[nodiscard]] std::unique_ptr<const Snapshot> build();

  struct BuildStats {
    std::uint64_t number = 0;         // of the last snapshot
    PageStats pages;                  // what led from the snapshot before it to the last one
    std::size_t entries = 0;          // hosts, empty non-terminals and pointers
    std::size_t owners = 0;           // services, records and instances
    std::size_t contested_names = 0;  // names with more than one claimant
  };
  [[nodiscard]] const BuildStats& build_stats() const { return stats_; }

 private:
  using NameNumber = ClaimedNames::Number;
  using AddressNumber = ClaimedAddresses::Number;

  // What an owner is told to be.
  struct Terms {
    std::span<const std::string> hostnames;
    std::span<const IpAddress> addresses;
    std::uint32_t ttl = 0;
    PortListIndex ports = kNoPorts;
    bool withheld = false;
    bool is_instance = false;
    std::string label = {};  // where owner_label() does not say it
  };

  SnapshotBuilder(const Options& options, ZoneStates zones);

  [[nodiscard]] std::unique_ptr<const Snapshot> build_from_image();

  UpsertReport upsert_owner(const std::string& key, const Terms& terms);
  void remove_owner(const std::string& key);
  [[nodiscard]] std::vector<NameNumber> add_names(std::span<const std::string> hostnames,
                                                  UpsertReport& report);
  [[nodiscard]] std::vector<AddressNumber> use_addresses(std::span<const IpAddress> addresses);
  void replace_owner(OwnerIndex index, Owner next);
  void claim_name(OwnerIndex owner, NameNumber name);
  void release_name(OwnerIndex owner, NameNumber name);
  void count_in_ancestors(NameView name, bool held);
  void erase_unused_name(NameNumber name);
  void publish_name(NameNumber name);
  void count_wildcard(NameView name, bool had, bool has);
  void publish_pointers(OwnerIndex owner);
  void release_pointer(OwnerIndex owner, AddressNumber address);
  void publish_pointer(AddressNumber address);
  [[nodiscard]] std::optional<NameView> pointer_target(const Claims& claims) const;
  [[nodiscard]] bool has_pointer(const Owner& owner, AddressNumber address) const;
  [[nodiscard]] std::string label(OwnerIndex owner) const;
  void report_claims(OwnerIndex index, UpsertReport& report) const;
  void purge_stale_pointers();
  [[nodiscard]] std::uint64_t hash_name(NameView name) const;
  [[nodiscard]] const NameEntry* find_name(NameView name, std::uint64_t hash) const;
  [[nodiscard]] const PointerEntry* find_pointer(const IpAddress& address,
                                                 std::uint64_t hash) const;

  HashKey key_;
  ZoneTimes times_;
  std::vector<IpPrefix> pools_;
  ZoneStates zones_;
  std::shared_ptr<const StaticRecords> static_records_ = std::make_shared<const StaticRecords>();
  SnapshotTables tables_;
  std::unique_ptr<const SnapshotImage> image_;  // served instead while there is one
  Standing standing_;
  PortLists port_lists_;
  std::uint64_t number_ = 0;

  NumberedValues<Owner> owners_;
  NumberIndex<Owner, Owner::ByKey> owner_index_{owners_};
  // What reports call owners, where owner_label() does not say it: records in other spellings.
  boost::unordered_flat_map<OwnerIndex, std::string> labels_;
  ClaimedNames names_;
  ClaimedAddresses addresses_;  // claimed are only pointers, to addresses within the pools
  ClaimLines claim_lines_;
  // Addresses whose pointer leads nowhere any more and still has an entry. Snapshot::find_pointer()
  // sees through them; erasing each at once would make the change of an address cost two pages
  // more.
  std::deque<IpAddress> stale_pointers_;
  std::size_t contested_names_ = 0;
  BuildStats stats_;
};

}  // namespace meshdns::dns
