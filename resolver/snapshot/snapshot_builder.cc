#include "resolver/snapshot/snapshot_builder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/service.h"
#include "resolver/snapshot/claims.h"
#include "resolver/snapshot/host_entry.h"
#include "resolver/snapshot/page_table.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/reverse_name.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_image.h"
#include "resolver/snapshot/standing.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/wildcard_depths.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "resolver/wire/sip_hash.h"

namespace meshdns::dns {
namespace {

std::string to_key(NameView name) { return {name.octets().begin(), name.octets().end()}; }

NameView to_view(const std::string& key) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a map key holds octets as char.
  return NameView({reinterpret_cast<const std::uint8_t*>(key.data()), key.size()});
}

// Folded.
Result<Name> parse_zone(const std::string& text) {
  auto name = Name::from_text(text);
  if (!name || name->view().is_root()) {
    return fail(ErrorCode::kInvalidArgument,
                "zone \"" + text + "\" is not a domain name below the root");
  }
  name->fold();
  return *name;
}

// Changes only while few pages were touched, so that one change stays within four pages in all: an
// erased pointer touches two.
constexpr std::size_t kPurgeBelowTouched = 3;
constexpr std::size_t kPurgeWhileIdle = 1;
// With so many stale ones, beside a sixteenth of all pointers, they are worth their pages at any
// time.
constexpr std::size_t kStalePointersAllowed = 1024;
constexpr std::size_t kPurgeWhenMany = 64;

}  // namespace

Result<std::unique_ptr<SnapshotBuilder>> SnapshotBuilder::create(const Options& options) {
  std::vector<OwnedZone> zones;
  const auto is_new = [&zones](const Name& name) {
    return std::ranges::none_of(zones,
                                [&name](const OwnedZone& zone) { return zone.name == name; });
  };
  for (const std::string& text : options.owned_zones) {
    const auto name = parse_zone(text);
    if (!name) {
      return tl::unexpected(name.error());
    }
    if (is_new(*name)) {
      zones.push_back({.name = *name});
    }
  }
  for (const std::string& text : options.shared_zones) {
    const auto name = parse_zone(text);
    if (!name) {
      return tl::unexpected(name.error());
    }
    if (std::ranges::none_of(
            zones, [&](const OwnedZone& zone) { return name->view().is_within(zone.name); })) {
      zones.push_back({.name = *name, .is_shared = true});
    }
  }
  for (const IpPrefix& pool : options.vip_pools) {
    for (const Name& name : reverse_zones(pool)) {
      if (is_new(name)) {
        zones.push_back({.name = name, .pool = pool});
      }
    }
  }
  return std::unique_ptr<SnapshotBuilder>(new SnapshotBuilder(options, std::move(zones)));
}

SnapshotBuilder::SnapshotBuilder(const Options& options, std::vector<OwnedZone> zones)
    : key_(options.hash_key ? *options.hash_key : HashKey::random()),
      times_(options.times),
      pools_(options.vip_pools),
      zones_(std::make_shared<const ZoneSet>(std::move(zones))),
      port_lists_(options.https_records) {}

SnapshotBuilder::~SnapshotBuilder() = default;

UpsertReport SnapshotBuilder::upsert_service(const discovery::Service& service,
                                             const NameAddresses& addresses) {
  Owner next;
  next.label = service.id.to_string();
  next.addresses = addresses.addresses;
  next.ttl = addresses.are_endpoints ? std::min(times_.ttl, times_.instance_ttl) : times_.ttl;
  next.withheld = addresses.withheld;
  next.ports = port_lists_.acquire(service.ports);
  const bool ports_not_told = next.ports == kPortsNotTold;
  UpsertReport report = upsert_owner(service_key(service.id), std::move(next), service.hostnames);
  report.ports_not_told = ports_not_told;
  return report;
}

void SnapshotBuilder::remove_service(const discovery::ServiceId& id) {
  remove_owner(service_key(id));
}

UpsertReport SnapshotBuilder::upsert_record(const discovery::NameRecord& record) {
  Owner next;
  next.label = "record " + record.name;
  next.addresses = record.addresses;
  next.ttl = record.ttl_seconds.value_or(times_.ttl);
  return upsert_owner(record_key(record.name), std::move(next), std::span(&record.name, 1));
}

void SnapshotBuilder::remove_record(std::string_view name) { remove_owner(record_key(name)); }

UpsertReport SnapshotBuilder::upsert_instance(const Instance& instance) {
  Owner next;
  next.label = "instance " + instance.name + " of " + instance.service.to_string();
  next.addresses = instance.addresses;
  next.ttl = std::min(times_.ttl, times_.instance_ttl);
  next.is_instance = true;
  return upsert_owner(instance_key(instance.service, instance.name), std::move(next),
                      instance.hostnames);
}

void SnapshotBuilder::remove_instance(const discovery::ServiceId& service,
                                      const std::string& name) {
  remove_owner(instance_key(service, name));
}

std::string SnapshotBuilder::instance_key(const discovery::ServiceId& service,
                                          const std::string& name) {
  return "i" + service.to_string() + "/" + name;
}

std::string SnapshotBuilder::service_key(const discovery::ServiceId& id) {
  return "s" + id.to_string();
}

std::string SnapshotBuilder::record_key(std::string_view name) {
  std::string key("r");
  if (const auto parsed = Name::from_text(name)) {
    Name folded = *parsed;
    folded.fold();
    key += to_key(folded);
  }
  return key;
}

void SnapshotBuilder::set_ready(bool ready) {
  std::vector<OwnedZone> zones(zones_->zones().begin(), zones_->zones().end());
  for (OwnedZone& zone : zones) {
    zone.ready = ready;
  }
  zones_ = std::make_shared<const ZoneSet>(std::move(zones));
}

void SnapshotBuilder::set_ready(NameView zone_name, bool ready) {
  std::vector<OwnedZone> zones(zones_->zones().begin(), zones_->zones().end());
  for (OwnedZone& zone : zones) {
    if (zone.name.view().equals_ignoring_case(zone_name)) {
      zone.ready = ready;
    }
  }
  zones_ = std::make_shared<const ZoneSet>(std::move(zones));
}

void SnapshotBuilder::set_awaits_instances(bool awaits) {
  std::vector<OwnedZone> zones(zones_->zones().begin(), zones_->zones().end());
  for (OwnedZone& zone : zones) {
    zone.awaits_instances = awaits && !zone.pool;
  }
  zones_ = std::make_shared<const ZoneSet>(std::move(zones));
}

void SnapshotBuilder::set_static_records(std::shared_ptr<const StaticRecords> records) {
  static_records_ = std::move(records);
}

void SnapshotBuilder::serve_image(std::unique_ptr<const SnapshotImage> image) {
  image_ = std::move(image);
}

std::unique_ptr<const Snapshot> SnapshotBuilder::build() {
  if (image_) {
    return build_from_image();
  }
  purge_stale_pointers();
  stats_ = {.number = ++number_,
            .pages = tables_.names.take_stats() + tables_.pointers.take_stats(),
            .entries = tables_.names.size() + tables_.pointers.size(),
            .owners = owner_index_.size(),
            .contested_names = contested_names_};
  return std::make_unique<const Snapshot>(tables_, zones_, static_records_, port_lists_.view(),
                                          key_, times_, number_, standing_);
}

std::unique_ptr<const Snapshot> SnapshotBuilder::build_from_image() {
  std::vector<OwnedZone> zones(zones_->zones().begin(), zones_->zones().end());
  for (OwnedZone& zone : zones) {
    zone.ready = true;
  }
  stats_ = {.number = ++number_,
            .pages = {},
            .entries = image_->tables.names.size() + image_->tables.pointers.size(),
            .owners = owner_index_.size(),
            .contested_names = contested_names_};
  return std::make_unique<const Snapshot>(
      image_->tables, std::make_shared<const ZoneSet>(std::move(zones)), static_records_,
      image_->ports, key_, times_, number_,
      Standing{.age = standing_.age, .denies = image_->is_complete});
}

// Gives the owner an index and its new names and addresses. What it keeps is not let go in between,
// so that nobody who waits takes it.
UpsertReport SnapshotBuilder::upsert_owner(const std::string& key, Owner next,
                                           std::span<const std::string> hostnames) {
  UpsertReport report;
  for (const std::string& hostname : hostnames) {
    auto name = Name::from_text(hostname);
    if (!name || name->view().is_root()) {
      report.rejected.push_back(hostname);
      continue;
    }
    name->fold();
    std::string name_key = to_key(*name);
    if (std::ranges::find(next.names, name_key) == next.names.end()) {
      next.names.push_back(std::move(name_key));
    }
  }
  // An address told twice is one address.
  auto& addresses = next.addresses;
  for (auto it = addresses.begin(); it != addresses.end();) {
    it = std::find(addresses.begin(), it, *it) == it ? it + 1 : addresses.erase(it);
  }
  const auto [found, added] = owner_index_.try_emplace(key, kNobody);
  if (added) {
    if (free_owners_.empty()) {
      free_owners_.push_back(static_cast<OwnerIndex>(owners_.size()));
      owners_.emplace_back();
    }
    found->second = free_owners_.back();
    free_owners_.pop_back();
  }
  replace_owner(found->second, std::move(next));
  report_claims(found->second, report);
  return report;
}

void SnapshotBuilder::report_claims(OwnerIndex index, UpsertReport& report) const {
  for (const std::string& name : owners_[index].names) {
    const Claims& claims = names_.at(name).claims;
    const StaticNode* const fixed = static_records_->find(to_view(name));
    if (fixed != nullptr && fixed->decides_addresses()) {
      report.clashes.push_back({to_view(name).to_text(), "static records"});
    } else if (claims.holder != index) {
      report.clashes.push_back({to_view(name).to_text(), owners_[claims.holder].label});
    } else if (claims.waiting != nullptr && !owners_[index].is_instance) {
      for (const OwnerIndex waiting : *claims.waiting) {
        if (owners_[waiting].is_instance) {
          report.displaced.push_back({to_view(name).to_text(), owners_[waiting].label});
        }
      }
    }
  }
}

void SnapshotBuilder::remove_owner(const std::string& key) {
  const auto found = owner_index_.find(key);
  if (found == owner_index_.end()) {
    return;
  }
  replace_owner(found->second, Owner{});
  free_owners_.push_back(found->second);
  owner_index_.erase(found);
}

void SnapshotBuilder::replace_owner(OwnerIndex index, Owner next) {
  const Owner old = std::exchange(owners_[index], std::move(next));
  const std::vector<std::string>& names = owners_[index].names;
  const std::vector<IpAddress>& addresses = owners_[index].addresses;
  const auto is_in = [](const auto& list, const auto& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  };
  for (const std::string& name : names) {
    if (!is_in(old.names, name)) {
      claim_name(index, name);
    }
    publish_name(name);
  }
  for (const std::string& name : old.names) {
    if (!is_in(names, name)) {
      release_name(index, name);
    }
  }
  // Pointers last: where they lead depends on who holds which name.
  for (const IpAddress& address : old.addresses) {
    if (has_pointer(old, address) && !is_in(addresses, address)) {
      release_pointer(index, address);
    }
  }
  for (const IpAddress& address : addresses) {
    if (has_pointer(owners_[index], address) && !is_in(old.addresses, address)) {
      pointers_[address].add(index, [](OwnerIndex) { return false; });
    }
  }
  publish_pointers(index);
  // No entry refers to the old list any more.
  port_lists_.release(old.ports);
}

void SnapshotBuilder::claim_name(OwnerIndex owner, const std::string& name) {
  NameNode& node = names_[name];
  const bool first = node.claims.holder == kNobody;
  if (!first && node.claims.waiting == nullptr) {
    ++contested_names_;
  }
  node.claims.add(owner, [this, owner](OwnerIndex other) {
    return owners_[other].is_instance && !owners_[owner].is_instance;
  });
  if (first) {
    count_in_ancestors(to_view(name), true);
  }
}

void SnapshotBuilder::release_name(OwnerIndex owner, const std::string& name) {
  NameNode& node = names_.at(name);
  const bool held = node.claims.holder == owner;
  const bool contested = node.claims.waiting != nullptr;
  node.claims.remove(owner);
  if (contested && node.claims.waiting == nullptr) {
    --contested_names_;
  }
  const OwnerIndex heir = node.claims.holder;
  publish_name(name);
  if (heir == kNobody) {
    count_in_ancestors(to_view(name), false);
    erase_unused_node(name);
  } else if (held) {
    publish_pointers(heir);
  }
}

// Tells the names between this one and its zone that something below them exists, or no longer
// does.
void SnapshotBuilder::count_in_ancestors(NameView name, bool held) {
  const ZoneMatch zone = zones_->find(name);
  if (zone.zone == nullptr || zone.offset == 0 || zone.zone->is_shared) {
    return;  // in others' zones, names above ours are theirs
  }
  const std::size_t zone_size = zone.zone->name.size();
  for (NameView above = name.parent(); above.size() > zone_size; above = above.parent()) {
    const std::string key = to_key(above);
    NameNode& node = names_[key];
    held ? ++node.held_below : --node.held_below;
    if (node.held_below <= 1) {
      publish_name(key);
      erase_unused_node(key);
    }
  }
}

void SnapshotBuilder::erase_unused_node(const std::string& name) {
  const auto found = names_.find(name);
  if (found->second.claims.holder == kNobody && found->second.held_below == 0) {
    names_.erase(found);
  }
}

// Brings the table's entry of a name in line with its node.
void SnapshotBuilder::publish_name(const std::string& name) {
  const NameNode& node = names_.at(name);
  HostEntry wanted;
  wanted.name = to_view(name);
  if (node.claims.holder != kNobody) {
    const Owner& owner = owners_[node.claims.holder];
    wanted.kind = owner.withheld ? EntryKind::kWithheld : EntryKind::kHost;
    wanted.ttl = owner.ttl;
    wanted.ports = owner.ports;
    if (!owner.withheld) {
      wanted.addresses = owner.addresses;
    }
  } else if (node.held_below > 0) {
    wanted.kind = EntryKind::kEmptyNonTerminal;
  }
  const std::uint64_t hash = hash_name(wanted.name);
  const NameEntry* const entry = find_name(wanted.name, hash);
  if (WildcardDepths::is_wildcard(wanted.name)) {
    count_wildcard(wanted.name, entry != nullptr && is_host(entry->kind), is_host(wanted.kind));
  }
  if (wanted.kind == EntryKind::kFree) {
    if (entry != nullptr) {
      tables_.names.erase(hash, *entry);
    }
  } else if (entry == nullptr) {
    fill(tables_.names.insert(hash), wanted);
  } else if (!is_same(*entry, wanted)) {
    fill(tables_.names.replace(hash, *entry), wanted);
  }
}

// `had`, `has`: whether an owner has the wildcard, before and now.
void SnapshotBuilder::count_wildcard(NameView name, bool had, bool has) {
  if (has && !had) {
    tables_.wildcards.add(name);
  } else if (had && !has) {
    tables_.wildcards.remove(name);
  }
}

void SnapshotBuilder::publish_pointers(OwnerIndex owner) {
  for (const IpAddress& address : owners_[owner].addresses) {
    if (has_pointer(owners_[owner], address)) {
      publish_pointer(address);
    }
  }
}

void SnapshotBuilder::release_pointer(OwnerIndex owner, const IpAddress& address) {
  const auto found = pointers_.find(address);
  found->second.remove(owner);
  if (found->second.holder == kNobody) {
    pointers_.erase(found);
    stale_pointers_.push_back(address);
  } else {
    publish_pointer(address);
  }
}

// Brings the table's entry of an address in line with who has it.
void SnapshotBuilder::publish_pointer(const IpAddress& address) {
  const Claims& claims = pointers_.at(address);
  const std::string* const target = pointer_target(claims);
  const std::uint64_t hash = hash_address(key_, address);
  const PointerEntry* const entry = find_pointer(address, hash);
  if (target == nullptr) {
    if (entry != nullptr) {
      tables_.pointers.erase(hash, *entry);
    }
    return;
  }
  const std::uint64_t name_hash = hash_name(to_view(*target));
  if (entry != nullptr && entry->name_hash == name_hash) {
    return;
  }
  PointerEntry& next =
      entry == nullptr ? tables_.pointers.insert(hash) : tables_.pointers.replace(hash, *entry);
  next.used = true;
  next.is_v4 = address.is_v4();
  next.name_hash = name_hash;
  std::ranges::copy(address.octets(), next.octets.begin());
}

// The first name that the first owner of the address holds, or the next owner's.
const std::string* SnapshotBuilder::pointer_target(const Claims& claims) const {
  const auto held_name = [this](OwnerIndex owner) -> const std::string* {
    for (const std::string& name : owners_[owner].names) {
      if (!owners_[owner].withheld && names_.at(name).claims.holder == owner) {
        return &name;
      }
    }
    return nullptr;
  };
  const std::string* target = held_name(claims.holder);
  if (target == nullptr && claims.waiting != nullptr) {
    for (const OwnerIndex owner : *claims.waiting) {
      target = target == nullptr ? held_name(owner) : target;
    }
  }
  return target;
}

// Whether the address leads back to a name of the owner. An endpoint's is not ours to tell of.
bool SnapshotBuilder::has_pointer(const Owner& owner, const IpAddress& address) const {
  return !owner.is_instance && std::ranges::any_of(pools_, [&address](const IpPrefix& pool) {
    return pool.contains(address);
  });
}

void SnapshotBuilder::purge_stale_pointers() {
  const std::size_t touched =
      tables_.names.stats().pages_touched() + tables_.pointers.stats().pages_touched();
  const bool many = stale_pointers_.size() > kStalePointersAllowed + tables_.pointers.size() / 16;
  if (!many && touched >= kPurgeBelowTouched) {
    return;
  }
  for (std::size_t left = many ? kPurgeWhenMany : kPurgeWhileIdle;
       left > 0 && !stale_pointers_.empty(); --left) {
    const IpAddress address = stale_pointers_.front();
    stale_pointers_.pop_front();
    const std::uint64_t hash = hash_address(key_, address);
    const PointerEntry* const entry = find_pointer(address, hash);
    if (entry != nullptr && !pointers_.contains(address)) {
      tables_.pointers.erase(hash, *entry);
    }
  }
}

std::uint64_t SnapshotBuilder::hash_name(NameView name) const {
  return sip_hash<1, 3>(key_, name.octets());
}

const NameEntry* SnapshotBuilder::find_name(NameView name, std::uint64_t hash) const {
  return tables_.names.find(
      hash, [name](const NameEntry& candidate) { return candidate.name() == name; });
}

const PointerEntry* SnapshotBuilder::find_pointer(const IpAddress& address,
                                                  std::uint64_t hash) const {
  return tables_.pointers.find(
      hash, [&address](const PointerEntry& candidate) { return candidate.is_of(address); });
}

}  // namespace meshdns::dns
