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
#include "base/packed_text.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/claimed_addresses.h"
#include "resolver/snapshot/claimed_names.h"
#include "resolver/snapshot/claims.h"
#include "resolver/snapshot/host_entry.h"
#include "resolver/snapshot/owner.h"
#include "resolver/snapshot/owner_key.h"
#include "resolver/snapshot/page_table.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_image.h"
#include "resolver/snapshot/standing.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/wildcard_depths.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/snapshot/zone_states.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

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
  return ZoneStates::create(options.owned_zones, options.shared_zones, options.vip_pools)
      .map([&options](ZoneStates zones) {
        return std::unique_ptr<SnapshotBuilder>(new SnapshotBuilder(options, std::move(zones)));
      });
}

SnapshotBuilder::SnapshotBuilder(const Options& options, ZoneStates zones)
    : key_(options.hash_key ? *options.hash_key : HashKey::random()),
      times_(options.times),
      pools_(options.vip_pools),
      zones_(std::move(zones)),
      port_lists_(options.https_records) {}

SnapshotBuilder::~SnapshotBuilder() = default;

UpsertReport SnapshotBuilder::upsert_service(const discovery::Service& service,
                                             const NameAddresses& addresses) {
  const PortListIndex ports = port_lists_.acquire(service.ports);
  UpsertReport report = upsert_owner(
      service_key(service.id),
      {.hostnames = service.hostnames,
       .addresses = addresses.addresses,
       .ttl = addresses.are_endpoints ? std::min(times_.ttl, times_.instance_ttl) : times_.ttl,
       .ports = ports,
       .withheld = addresses.withheld});
  report.ports_not_told = ports == kPortsNotTold;
  return report;
}

void SnapshotBuilder::remove_service(const discovery::ServiceId& id) {
  remove_owner(service_key(id));
}

UpsertReport SnapshotBuilder::upsert_record(const discovery::NameRecord& record) {
  const std::string key = record_key(record.name);
  std::string label = "record " + record.name;
  if (label == owner_label(key)) {
    label.clear();
  }
  return upsert_owner(key, {.hostnames = std::span(&record.name, 1),
                            .addresses = record.addresses,
                            .ttl = record.ttl_seconds.value_or(times_.ttl),
                            .label = std::move(label)});
}

void SnapshotBuilder::remove_record(std::string_view name) { remove_owner(record_key(name)); }

UpsertReport SnapshotBuilder::upsert_instance(const Instance& instance) {
  return upsert_owner(instance_key(instance.service, instance.name),
                      {.hostnames = instance.hostnames,
                       .addresses = instance.addresses,
                       .ttl = std::min(times_.ttl, times_.instance_ttl),
                       .is_instance = true});
}

void SnapshotBuilder::remove_instance(const discovery::ServiceId& service,
                                      const std::string& name) {
  remove_owner(instance_key(service, name));
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
            .owners = owners_.size(),
            .contested_names = contested_names_};
  return std::make_unique<const Snapshot>(tables_, zones_.current(), static_records_,
                                          port_lists_.view(), key_, times_, number_, standing_);
}

std::unique_ptr<const Snapshot> SnapshotBuilder::build_from_image() {
  stats_ = {.number = ++number_,
            .pages = {},
            .entries = image_->tables.names.size() + image_->tables.pointers.size(),
            .owners = owners_.size(),
            .contested_names = contested_names_};
  return std::make_unique<const Snapshot>(
      image_->tables, zones_.all_ready(), static_records_, image_->ports, key_, times_, number_,
      Standing{.age = standing_.age, .denies = image_->is_complete});
}

// Gives the owner an index and its new names and addresses. What it keeps is not let go in between,
// so that nobody who waits takes it.
UpsertReport SnapshotBuilder::upsert_owner(const std::string& key, const Terms& terms) {
  UpsertReport report;
  Owner next;
  next.holdings = Holdings(add_names(terms.hostnames, report), use_addresses(terms.addresses));
  next.ttl = terms.ttl;
  next.ports = terms.ports;
  next.withheld = terms.withheld;
  next.is_instance = terms.is_instance;
  const auto known = owner_index_.find(key);
  OwnerIndex index = known.value_or(kNobody);
  if (!known) {
    Owner added;
    added.key = PackedText(key);
    index = owners_.add(std::move(added));
    owner_index_.insert(index);
  }
  if (terms.label.empty()) {
    labels_.erase(index);
  } else {
    labels_[index] = terms.label;
  }
  replace_owner(index, std::move(next));
  report_claims(index, report);
  return report;
}

// The numbers of the hostnames that are names. The caller claims them.
std::vector<ClaimedNames::Number> SnapshotBuilder::add_names(std::span<const std::string> hostnames,
                                                             UpsertReport& report) {
  std::vector<NameNumber> numbers;
  for (const std::string& hostname : hostnames) {
    auto name = Name::from_text(hostname);
    if (!name || name->view().is_root()) {
      report.rejected.push_back(hostname);
      continue;
    }
    name->fold();
    const NameNumber number = names_.add(*name);
    if (std::ranges::find(numbers, number) == numbers.end()) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

// An address told twice is one address.
std::vector<ClaimedAddresses::Number> SnapshotBuilder::use_addresses(
    std::span<const IpAddress> addresses) {
  std::vector<AddressNumber> numbers;
  for (const IpAddress& address : addresses) {
    const AddressNumber number = addresses_.use(address);
    if (std::ranges::find(numbers, number) == numbers.end()) {
      numbers.push_back(number);
    } else {
      addresses_.release(number);
    }
  }
  return numbers;
}

std::string SnapshotBuilder::label(OwnerIndex owner) const {
  const auto label = labels_.find(owner);
  return label == labels_.end() ? owner_label(owners_[owner].key.view()) : label->second;
}

void SnapshotBuilder::report_claims(OwnerIndex index, UpsertReport& report) const {
  for (const NameNumber number : owners_[index].holdings.names()) {
    const ClaimedName& name = names_[number];
    const StaticNode* const fixed = static_records_->find(name.view());
    if (fixed != nullptr && fixed->decides_addresses()) {
      report.clashes.push_back({name.view().to_text(), "static records"});
    } else if (name.claims.holder != index) {
      report.clashes.push_back({name.view().to_text(), label(name.claims.holder)});
    } else if (!owners_[index].is_instance) {
      for (const OwnerIndex waiting : claim_lines_.waiting(name.claims)) {
        if (owners_[waiting].is_instance) {
          report.displaced.push_back({name.view().to_text(), label(waiting)});
        }
      }
    }
  }
}

void SnapshotBuilder::remove_owner(const std::string& key) {
  const auto index = owner_index_.find(key);
  if (!index) {
    return;
  }
  replace_owner(*index, Owner{});
  labels_.erase(*index);
  owner_index_.erase(*index);
  owners_.remove(*index);
}

// All but the key is new.
void SnapshotBuilder::replace_owner(OwnerIndex index, Owner next) {
  next.key = std::move(owners_[index].key);
  const Owner old = std::exchange(owners_[index], std::move(next));
  const Owner& owner = owners_[index];
  const auto is_in = [](const auto& list, const auto& item) {
    return std::ranges::find(list, item) != list.end();
  };
  for (const NameNumber name : owner.holdings.names()) {
    if (!is_in(old.holdings.names(), name)) {
      claim_name(index, name);
    }
    publish_name(name);
  }
  for (const NameNumber name : old.holdings.names()) {
    if (!is_in(owner.holdings.names(), name)) {
      release_name(index, name);
    }
  }
  // Pointers last: where they lead depends on who holds which name.
  for (const AddressNumber address : old.holdings.addresses()) {
    if (has_pointer(old, address) && !is_in(owner.holdings.addresses(), address)) {
      release_pointer(index, address);
    }
  }
  for (const AddressNumber address : owner.holdings.addresses()) {
    if (has_pointer(owner, address) && !is_in(old.holdings.addresses(), address)) {
      claim_lines_.add(addresses_.claims(address), index, [](OwnerIndex) { return false; });
    }
  }
  if (owner.holdings != old.holdings || owner.withheld != old.withheld) {
    publish_pointers(index);
  }
  // Nothing refers to what it had any more.
  for (const AddressNumber address : old.holdings.addresses()) {
    addresses_.release(address);
  }
  port_lists_.release(old.ports);
}

void SnapshotBuilder::claim_name(OwnerIndex owner, NameNumber number) {
  ClaimedName& name = names_[number];
  const bool first = name.claims.holder == kNobody;
  if (!first && !name.claims.is_contested()) {
    ++contested_names_;
  }
  claim_lines_.add(name.claims, owner, [this, owner](OwnerIndex other) {
    return owners_[other].is_instance && !owners_[owner].is_instance;
  });
  if (first) {
    count_in_ancestors(name.view(), true);
  }
}

void SnapshotBuilder::release_name(OwnerIndex owner, NameNumber number) {
  ClaimedName& name = names_[number];
  const bool held = name.claims.holder == owner;
  const bool contested = name.claims.is_contested();
  claim_lines_.remove(name.claims, owner);
  if (contested && !name.claims.is_contested()) {
    --contested_names_;
  }
  const OwnerIndex heir = name.claims.holder;
  publish_name(number);
  if (heir == kNobody) {
    count_in_ancestors(name.view(), false);
    erase_unused_name(number);
  } else if (held) {
    publish_pointers(heir);
  }
}

// Tells the names between this one and its zone that something below them exists, or no longer
// does.
void SnapshotBuilder::count_in_ancestors(NameView name, bool held) {
  const ZoneMatch zone = zones_.current()->find(name);
  if (zone.zone == nullptr || zone.offset == 0 || zone.zone->is_shared) {
    return;  // in others' zones, names above ours are theirs
  }
  const std::size_t zone_size = zone.zone->name.size();
  for (NameView above = name.parent(); above.size() > zone_size; above = above.parent()) {
    const NameNumber number = names_.add(above);
    ClaimedName& ancestor = names_[number];
    held ? ++ancestor.held_below : --ancestor.held_below;
    if (ancestor.held_below <= 1) {
      publish_name(number);
      erase_unused_name(number);
    }
  }
}

void SnapshotBuilder::erase_unused_name(NameNumber number) {
  const ClaimedName& name = names_[number];
  if (name.claims.holder == kNobody && name.held_below == 0) {
    names_.erase(number);
  }
}

// Brings the table's entry of a name in line with who has it.
void SnapshotBuilder::publish_name(NameNumber number) {
  const ClaimedName& name = names_[number];
  std::vector<IpAddress> addresses;
  HostEntry wanted;
  wanted.name = name.view();
  if (name.claims.holder != kNobody) {
    const Owner& owner = owners_[name.claims.holder];
    wanted.kind = owner.withheld ? EntryKind::kWithheld : EntryKind::kHost;
    wanted.ttl = owner.ttl;
    wanted.ports = owner.ports;
    if (!owner.withheld) {
      for (const AddressNumber address : owner.holdings.addresses()) {
        addresses.push_back(addresses_.address(address));
      }
      wanted.addresses = addresses;
    }
  } else if (name.held_below > 0) {
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
  for (const AddressNumber address : owners_[owner].holdings.addresses()) {
    if (has_pointer(owners_[owner], address)) {
      publish_pointer(address);
    }
  }
}

void SnapshotBuilder::release_pointer(OwnerIndex owner, AddressNumber number) {
  Claims& claims = addresses_.claims(number);
  claim_lines_.remove(claims, owner);
  if (claims.holder == kNobody) {
    stale_pointers_.push_back(addresses_.address(number));
  } else {
    publish_pointer(number);
  }
}

// Brings the table's entry of an address in line with who has it.
void SnapshotBuilder::publish_pointer(AddressNumber number) {
  const IpAddress address = addresses_.address(number);
  const auto target = pointer_target(addresses_.claims(number));
  const std::uint64_t hash = hash_address(key_, address);
  const PointerEntry* const entry = find_pointer(address, hash);
  if (!target) {
    if (entry != nullptr) {
      tables_.pointers.erase(hash, *entry);
    }
    return;
  }
  const std::uint64_t name_hash = hash_name(*target);
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
std::optional<NameView> SnapshotBuilder::pointer_target(const Claims& claims) const {
  const auto held_name = [this](OwnerIndex owner) -> std::optional<NameView> {
    for (const NameNumber name : owners_[owner].holdings.names()) {
      if (!owners_[owner].withheld && names_[name].claims.holder == owner) {
        return names_[name].view();
      }
    }
    return std::nullopt;
  };
  auto target = held_name(claims.holder);
  for (const OwnerIndex owner : claim_lines_.waiting(claims)) {
    target = target ? target : held_name(owner);
  }
  return target;
}

// Whether the address leads back to a name of the owner. An endpoint's is not ours to tell of.
bool SnapshotBuilder::has_pointer(const Owner& owner, AddressNumber address) const {
  return !owner.is_instance &&
         std::ranges::any_of(pools_, [told = addresses_.address(address)](const IpPrefix& pool) {
           return pool.contains(told);
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
    const auto number = addresses_.find(address);
    const bool is_claimed = number && addresses_.claims(*number).holder != kNobody;
    if (entry != nullptr && !is_claimed) {
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
