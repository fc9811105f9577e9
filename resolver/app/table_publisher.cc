#include "resolver/app/table_publisher.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "resolver/app/metrics.h"
#include "resolver/app/publish_schedule.h"
#include "resolver/app/service_entries.h"
#include "resolver/app/service_lease_key.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/standing.h"
#include "vip/lease_store.h"

namespace meshdns::dns {
namespace {

using Urgency = PublishSchedule::Urgency;

// So long an image goes on answering because leases of the whole table are not on disk yet.
constexpr std::chrono::seconds kLongestTakeOver{5};

AddressStatus status_of(vip::LeaseStatus status) {
  switch (status) {
    case vip::LeaseStatus::kDurable:
      return AddressStatus::kLeased;
    case vip::LeaseStatus::kPending:
      return AddressStatus::kPending;
    case vip::LeaseStatus::kStorageFailed:
      return AddressStatus::kUnstored;
    case vip::LeaseStatus::kExhausted:
      return AddressStatus::kExhausted;
  }
  return AddressStatus::kUnstored;
}

// Of those that serve; of all when none does: an address that may answer is better than none.
std::vector<IpAddress> addresses_of(const discovery::ServiceEndpoints& endpoints,
                                    std::size_t most) {
  const bool any_serves = std::ranges::any_of(endpoints.endpoints, [](const auto& endpoint) {
    return endpoint.health != discovery::Health::kUnhealthy;
  });
  std::vector<IpAddress> addresses;
  for (const discovery::Endpoint& endpoint : endpoints.endpoints) {
    if (any_serves && endpoint.health == discovery::Health::kUnhealthy) {
      continue;
    }
    // They are sorted by address.
    if (addresses.size() < most && (addresses.empty() || addresses.back() != endpoint.address)) {
      addresses.push_back(endpoint.address);
    }
  }
  return addresses;
}

}  // namespace

TablePublisher::TablePublisher(SnapshotBuilder& builder, vip::LeaseStore& leases,
                               std::vector<IpPrefix> pools, const Clock& clock, Logger& logger,
                               AppMetrics& metrics, Publish publish, Options options)
    : builder_(builder),
      leases_(leases),
      pools_(std::move(pools)),
      clock_(clock),
      logger_(logger),
      metrics_(metrics),
      publish_(std::move(publish)),
      options_(options),
      instances_(
          builder, logger, metrics,
          [this](const std::string& owner, const UpsertReport& told) { report(owner, told); }) {}

void TablePublisher::apply(const discovery::TableChange& change) {
  // Removals first: a new service may take what an old one lets go.
  bool any_removed = false;
  for (const discovery::ServiceId& id : change.removed_services) {
    any_removed = remove(id) || any_removed;
  }
  for (const std::string& name : change.removed_records) {
    builder_.remove_record(name);
    schedule_.note_change(clock_.now(), Urgency::kNow);
  }
  for (const discovery::PackedService& service : change.services) {
    upsert(service);
  }
  for (const discovery::NameRecord& record : change.records) {
    report("record " + escape_name(record.name), builder_.upsert_record(record));
    schedule_.note_change(clock_.now(), Urgency::kNow);
  }
  apply_endpoints(change);
  if (any_removed) {
    // Published with the services that take their place, which else would wait for another turn.
    schedule_.note_change(clock_.now(), pending_ > 0 ? Urgency::kSoon : Urgency::kNow);
  }
  leases_.flush();
}

void TablePublisher::apply_endpoints(const discovery::TableChange& change) {
  const auto refresh_service = [this](const discovery::ServiceId& id) {
    if (const auto place = entries_.place_of(id)) {
      ServiceEntry entry = entries_.at(*place);
      if (answers_endpoints(entry.service)) {
        refresh(*place, entry);
      }
    }
  };
  for (const discovery::ServiceId& id : change.removed_endpoints) {
    if (endpoint_addresses_.erase(id) != 0) {
      refresh_service(id);
    }
  }
  for (const discovery::ServiceEndpoints& endpoints : change.endpoints) {
    auto addresses = addresses_of(endpoints, kMaxEndpointAddresses);
    const auto [place, is_new] = endpoint_addresses_.try_emplace(endpoints.service);
    if (is_new || place->second != addresses) {
      place->second = std::move(addresses);
      refresh_service(endpoints.service);
    }
  }
  if (options_.instance_names) {
    apply_instances(change);
  }
}

void TablePublisher::apply_instances(const discovery::TableChange& change) {
  bool any = false;
  for (const discovery::ServiceId& id : change.removed_endpoints) {
    any = instances_.remove_endpoints(id) || any;
  }
  for (const discovery::ServiceEndpoints& endpoints : change.endpoints) {
    const auto entry = entries_.find(endpoints.service);
    any = instances_.set_endpoints(endpoints, entry ? &entry->service : nullptr) || any;
  }
  if (any) {
    schedule_.note_change(clock_.now(), Urgency::kNow);
  }
}

void TablePublisher::upsert(const discovery::PackedService& packed) {
  const auto [place, is_new] = entries_.add(packed);
  if (is_new) {
    ++pending_;  // as its status says
    ++withheld_;
  } else {
    if (!given_.empty()) {
      forget_given(entries_.at(place).service);
    }
    entries_.set_service(place, packed);
  }
  ServiceEntry entry = entries_.at(place);
  refresh(place, entry);
  instances_.set_service(entry.service);
}

bool TablePublisher::remove(const discovery::ServiceId& id) {
  const auto place = entries_.place_of(id);
  if (!place) {
    return false;
  }
  ServiceEntry entry = entries_.at(*place);
  set_status(entry, AddressStatus::kGiven);  // neither withheld nor pending any more
  forget_given(entry.service);
  leases_.release(service_lease_key(id));
  refused_.erase(id);
  entries_.erase(*place);
  builder_.remove_service(id);
  instances_.remove_service(id);
  return true;
}

void TablePublisher::refresh(ServiceEntries::Place place, ServiceEntry& entry) {
  if (answers_endpoints(entry.service)) {
    take_endpoints(entry);
  } else if (!entry.service.addresses.empty()) {
    take_given_addresses(entry);
  } else if (entry.service.awaits_address) {
    await_address(entry);
  } else {
    take_lease(entry);
  }
  entries_.set_addresses(place, entry.addresses, entry.status);
  const bool withheld = is_withheld(entry.status);
  const UpsertReport told = builder_.upsert_service(
      entry.service, {.addresses = withheld ? std::vector<IpAddress>() : entry.addresses,
                      .withheld = withheld,
                      .are_endpoints = answers_endpoints(entry.service)});
  if (!told.empty()) {
    report(escape_name(entry.service.id.to_string()), told);
  }
  // A pending lease is on disk in a moment: publishing what it withholds can wait for that.
  schedule_.note_change(clock_.now(),
                        entry.status == AddressStatus::kPending ? Urgency::kSoon : Urgency::kNow);
}

void TablePublisher::refresh(const discovery::ServiceId& id) {
  if (const auto place = entries_.place_of(id)) {
    ServiceEntry entry = entries_.at(*place);
    refresh(*place, entry);
  }
}

bool TablePublisher::answers_endpoints(const discovery::Service& service) const {
  const discovery::Answers answers =
      service.answers == discovery::Answers::kDefault ? options_.answers : service.answers;
  return answers == discovery::Answers::kEndpoints;
}

void TablePublisher::take_endpoints(ServiceEntry& entry) {
  refused_.erase(entry.service.id);
  leases_.release(service_lease_key(entry.service.id));
  const auto known = endpoint_addresses_.find(entry.service.id);
  const bool is_known = known != endpoint_addresses_.end();
  entry.addresses = is_known ? known->second : std::vector<IpAddress>();
  set_status(entry, is_known ? AddressStatus::kEndpoints : AddressStatus::kAwaited);
}

void TablePublisher::await_address(ServiceEntry& entry) {
  refused_.erase(entry.service.id);
  leases_.release(service_lease_key(entry.service.id));
  entry.addresses.clear();
  set_status(entry, AddressStatus::kAwaited);
}

void TablePublisher::take_lease(ServiceEntry& entry) {
  refused_.erase(entry.service.id);
  const auto lease = leases_.acquire(service_lease_key(entry.service.id));
  entry.addresses.clear();
  for (const auto& address : {lease.ipv4, lease.ipv6}) {
    if (address) {
      entry.addresses.push_back(*address);
    }
  }
  set_status(entry, status_of(lease.status));
  for (const IpAddress& address : entry.addresses) {
    settle_conflict(address, entry.service.id);
  }
}

void TablePublisher::take_given_addresses(ServiceEntry& entry) {
  const std::string key = service_lease_key(entry.service.id);
  entry.addresses.clear();
  refused_.erase(entry.service.id);
  for (const IpAddress& address : entry.service.addresses) {
    if (!is_pooled(address)) {
      entry.addresses.push_back(address);
      continue;
    }
    const auto holder = leases_.holder(address);
    if (!holder || *holder == key) {
      entry.addresses.push_back(address);
      given_.insert_or_assign(address, entry.service.id);
      continue;
    }
    refused_.insert(entry.service.id);
    metrics_.rejected_addresses.add();
    logger_.warn("address refused: leased to another service address={} service={} holder={}",
                 address.to_string(), escape_name(entry.service.id.to_string()),
                 escape_name(*holder));
  }
  leases_.release(key);
  set_status(entry, entry.addresses.empty() ? AddressStatus::kConflict : AddressStatus::kGiven);
}

void TablePublisher::set_status(ServiceEntry& entry, AddressStatus status) {
  const auto count = [&entry](std::size_t& counter, bool was, bool is) {
    if (was && !is) {
      --counter;
    } else if (is && !was) {
      ++counter;
    }
  };
  count(withheld_, is_withheld(entry.status), is_withheld(status));
  count(pending_, entry.status == AddressStatus::kPending, status == AddressStatus::kPending);
  if (status == AddressStatus::kExhausted) {
    exhausted_.insert(entry.service.id);
  } else if (entry.status == AddressStatus::kExhausted) {
    exhausted_.erase(entry.service.id);
  }
  entry.status = status;
}

void TablePublisher::forget_given(const discovery::Service& service) {
  for (const IpAddress& address : service.addresses) {
    const auto place = given_.find(address);
    if (place != given_.end() && place->second == service.id) {
      given_.erase(place);
    }
  }
}

void TablePublisher::settle_conflict(const IpAddress& address, const discovery::ServiceId& winner) {
  const auto place = given_.find(address);
  if (place == given_.end() || place->second == winner) {
    return;
  }
  const discovery::ServiceId loser = place->second;
  given_.erase(place);
  refresh(loser);
}

void TablePublisher::on_lease_change(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const auto id = service_of_lease_key(key);
    const auto place = id ? entries_.place_of(*id) : std::nullopt;
    if (!place) {
      continue;
    }
    ServiceEntry entry = entries_.at(*place);
    if (entry.service.addresses.empty() && !entry.service.awaits_address &&
        !answers_endpoints(entry.service)) {
      refresh(*place, entry);
    }
  }
  leases_.flush();
}

void TablePublisher::retry() {
  retry_exhausted();
  retry_refused();
  leases_.flush();
}

void TablePublisher::retry_exhausted() {
  while (!exhausted_.empty()) {
    const discovery::ServiceId id = *exhausted_.begin();
    if (leases_.acquire(service_lease_key(id)).status == vip::LeaseStatus::kExhausted) {
      break;
    }
    refresh(id);
  }
}

void TablePublisher::retry_refused() {
  std::vector<discovery::ServiceId> freed;
  for (const discovery::ServiceId& id : refused_) {
    const auto entry = entries_.find(id);
    const auto is_free = [&](const IpAddress& address) {
      const bool is_lacking =
          std::ranges::find(entry->addresses, address) == entry->addresses.end();
      return is_lacking && !leases_.holder(address);
    };
    if (entry && std::ranges::any_of(entry->service.addresses, is_free)) {
      freed.push_back(id);
    }
  }
  for (const discovery::ServiceId& id : freed) {
    refresh(id);
  }
}

void TablePublisher::set_feeds_ready() {
  if (!feeds_ready_) {
    feeds_ready_ = true;
    release_leases_of_nobody();
    set_table_known(true);
  }
}

void TablePublisher::set_table_known(bool denies) {
  known_at_ = known_at_.value_or(clock_.now());
  builder_.set_ready(true);
  builder_.set_denies(denies);
  schedule_.note_change(clock_.now(), pending_ == 0 ? Urgency::kNow : Urgency::kSoon);
}

void TablePublisher::set_age(Standing::Age age) {
  if (builder_.standing().age == age) {
    return;
  }
  builder_.set_age(age);
  if (builder_.serves_image()) {
    publish_(builder_.build());
  } else {
    schedule_.note_change(clock_.now(), Urgency::kNow);
  }
}

void TablePublisher::set_awaits_instances(bool awaits) {
  if (std::exchange(awaits_instances_, awaits) != awaits) {
    builder_.set_awaits_instances(awaits);
    schedule_.note_change(clock_.now(), Urgency::kNow);
  }
}

void TablePublisher::release_leases_of_nobody() {
  std::vector<std::string> keys;
  leases_.for_each([&](std::string_view key, const vip::LeaseStore::Lease& /*lease*/) {
    const auto id = service_of_lease_key(key);
    if (!id || !entries_.contains(*id)) {
      keys.emplace_back(key);
    }
  });
  for (const std::string& key : keys) {
    leases_.release(key);
  }
  if (!keys.empty()) {
    logger_.info("released the leases of services that went while nobody looked leases={}",
                 keys.size());
  }
  leases_.flush();
}

bool TablePublisher::run() {
  const TimePoint now = clock_.now();
  if (!schedule_.is_due(now)) {
    return false;
  }
  if (builder_.serves_image()) {
    // What it answers must not be withheld for a lease that is on its way to disk.
    if (!known_at_ || (pending_ > 0 && now < *known_at_ + kLongestTakeOver)) {
      return false;
    }
    builder_.drop_image();
  }
  publish_(builder_.build());
  schedule_.note_published(now);
  ready_ = ready_ || (known_at_ && pending_ == 0);
  update_metrics();
  return true;
}

std::optional<TimePoint> TablePublisher::wake_at() const {
  const auto due = schedule_.due_at();
  if (!due || !builder_.serves_image()) {
    return due;
  }
  if (!known_at_) {
    return std::nullopt;
  }
  return pending_ > 0 ? std::max(*due, *known_at_ + kLongestTakeOver) : *due;
}

void TablePublisher::report(const std::string& owner, const UpsertReport& report) {
  for (const NameClash& clash : report.clashes) {
    metrics_.clashes.add();
    logger_.warn(R"(hostname taken name={} owner="{}" holder="{}")", escape_name(clash.name), owner,
                 escape_text(clash.holder));
  }
  for (const NameClash& displaced : report.displaced) {
    logger_.warn(R"(hostname taken from an instance name={} owner="{}" instance="{}")",
                 escape_name(displaced.name), owner, escape_text(displaced.holder));
  }
  if (report.ports_not_told) {
    logger_.warn(R"(too many different lists of ports, these are not told owner="{}")", owner);
  }
  for (const std::string& name : report.rejected) {
    logger_.warn("hostname is no DNS name name={} owner=\"{}\"", escape_name(name), owner);
  }
}

bool TablePublisher::is_pooled(const IpAddress& address) const {
  return std::ranges::any_of(pools_, [&](const IpPrefix& pool) { return pool.contains(address); });
}

void TablePublisher::update_metrics() {
  const auto& stats = builder_.build_stats();
  metrics_.snapshot_pages.add(stats.pages.pages_touched() + stats.pages.pages_added);
  metrics_.snapshot_version.set(static_cast<double>(stats.number));
  metrics_.entries.set(static_cast<double>(stats.entries));
  metrics_.contested_names.set(static_cast<double>(stats.contested_names));
  metrics_.services.set(static_cast<double>(entries_.size()));
  metrics_.services_withheld.set(static_cast<double>(withheld_));
}

}  // namespace meshdns::dns
