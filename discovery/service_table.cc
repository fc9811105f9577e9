#include "discovery/service_table.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"

namespace meshdns::discovery {

ServiceTable::ServiceTable(std::vector<std::string> feeds, Clock& clock, Logger& logger,
                           MetricRegistry& metrics)
    : feeds_(std::move(feeds)),
      clock_(clock),
      logger_(logger),
      held_total_(metrics.counter("meshdns_table_held_down_total",
                                  "Entries whose removal was held down for a minute.")) {}

TableChange ServiceTable::apply(const ServiceDelta& delta) {
  const auto feed = std::ranges::find(feeds_, delta.feed);
  assert(feed != feeds_.end());
  const auto rank = static_cast<std::size_t>(feed - feeds_.begin());
  Removals removals = removals_of(rank, delta);
  hold_with_services(rank, removals);
  const std::size_t before =
      services_.count_of(rank) + records_.count_of(rank) + endpoints_.count_of(rank);

  TableChange change;
  for (const Service& service : delta.services) {
    held_services_.erase({rank, service.id});
    if (const PackedService packed(service); services_.set(rank, packed)) {
      change.services.push_back(packed);
    }
  }
  for (const NameRecord& record : delta.records) {
    held_records_.erase({rank, record.name});
    if (records_.set(rank, record)) {
      change.records.push_back(record);
    }
  }
  for (const ServiceEndpoints& endpoints : delta.endpoints) {
    held_endpoints_.erase({rank, endpoints.service});
    if (endpoints_.set(rank, endpoints)) {
      change.endpoints.push_back(endpoints);
    }
  }
  const std::size_t leaving = removals.size();
  if (leaving >= kHoldDownMinimum && leaving * 2 > before) {
    logger_.warn(
        "a response removes most of the table; the removed names answer for {} s more "
        "feed={} removed={} of={}",
        kHoldDown.count(), delta.feed, leaving, before);
    hold(rank, removals);
  } else {
    remove(rank, removals, change);
  }
  return change;
}

ServiceTable::Removals ServiceTable::removals_of(std::size_t rank,
                                                 const ServiceDelta& delta) const {
  // Of one kind: what a full state does not list, else what the delta names; without what is not
  // there or is held down already.
  const auto take = [&](const auto& entries, const auto& held, const auto& listed, auto key_of,
                        const auto& removed, auto& into) {
    const auto counts = [&](const auto& key) {
      return entries.has(rank, key) && !held.contains({rank, key});
    };
    if (!delta.full_state) {
      std::ranges::copy_if(removed, std::back_inserter(into), counts);
      return;
    }
    std::set<typename std::decay_t<decltype(removed)>::value_type> kept;
    std::ranges::transform(listed, std::inserter(kept, kept.end()), key_of);
    std::ranges::copy_if(entries.keys_of(rank), std::back_inserter(into),
                         [&](const auto& key) { return !kept.contains(key) && counts(key); });
  };
  Removals removals;
  take(services_, held_services_, delta.services, &Service::id, delta.removed_services,
       removals.services);
  take(records_, held_records_, delta.records, &NameRecord::name, delta.removed_records,
       removals.records);
  take(endpoints_, held_endpoints_, delta.endpoints, &ServiceEndpoints::service,
       delta.removed_endpoints, removals.endpoints);
  return removals;
}

void ServiceTable::hold(std::size_t rank, const Removals& removals) {
  const TimePoint until = clock_.now() + kHoldDown;
  for (const ServiceId& id : removals.services) {
    held_services_.try_emplace({rank, id}, until);
  }
  for (const std::string& name : removals.records) {
    held_records_.try_emplace({rank, name}, until);
  }
  for (const ServiceId& id : removals.endpoints) {
    held_endpoints_.try_emplace({rank, id}, until);
  }
  held_total_.add(removals.size());
}

void ServiceTable::hold_with_services(std::size_t rank, Removals& removals) {
  if (held_services_.empty()) {
    return;
  }
  std::erase_if(removals.endpoints, [&](const ServiceId& id) {
    for (std::size_t other = 0; other < feeds_.size(); ++other) {
      const auto service = held_services_.find({other, id});
      if (service != held_services_.end()) {
        held_endpoints_.try_emplace({rank, id}, service->second);
        return true;
      }
    }
    return false;
  });
}

void ServiceTable::remove(std::size_t rank, const Removals& removals, TableChange& change) {
  const auto drop = [&](std::string resource) {
    change.dropped.push_back({feeds_[rank], std::move(resource)});
  };
  for (const ServiceId& id : removals.services) {
    drop(id.to_string());
    if (services_.erase(rank, id)) {
      report(id, change);
    }
  }
  for (const std::string& name : removals.records) {
    drop(name);
    if (records_.erase(rank, name)) {
      report(name, change);
    }
  }
  for (const ServiceId& id : removals.endpoints) {
    drop(id.to_string());
    if (endpoints_.erase(rank, id)) {
      report_endpoints(id, change);
    }
  }
}

void ServiceTable::report(const ServiceId& id, TableChange& change) const {
  if (const PackedService* service = services_.find(id)) {
    change.services.push_back(*service);
  } else {
    change.removed_services.push_back(id);
  }
}

void ServiceTable::report(const std::string& record, TableChange& change) const {
  if (const NameRecord* found = records_.find(record)) {
    change.records.push_back(*found);
  } else {
    change.removed_records.push_back(record);
  }
}

void ServiceTable::report_endpoints(const ServiceId& id, TableChange& change) const {
  if (const ServiceEndpoints* endpoints = endpoints_.find(id)) {
    change.endpoints.push_back(*endpoints);
  } else {
    change.removed_endpoints.push_back(id);
  }
}

TableChange ServiceTable::expire() {
  TableChange change;
  const TimePoint now = clock_.now();
  const auto take = [&](auto& held, auto into) {
    for (auto entry = held.begin(); entry != held.end();) {
      if (entry->second <= now) {
        Removals removals;
        (removals.*into).push_back(entry->first.second);
        remove(entry->first.first, removals, change);
        entry = held.erase(entry);
      } else {
        ++entry;
      }
    }
  };
  take(held_services_, &Removals::services);
  take(held_records_, &Removals::records);
  take(held_endpoints_, &Removals::endpoints);
  return change;
}

std::optional<TimePoint> ServiceTable::next_expiry() const {
  std::optional<TimePoint> next;
  const auto consider = [&](const auto& held) {
    for (const auto& [key, until] : held) {
      next = next ? std::min(*next, until) : until;
    }
  };
  consider(held_services_);
  consider(held_records_);
  consider(held_endpoints_);
  return next;
}

std::size_t ServiceTable::held_down() const { return held_services_.size() + held_records_.size(); }

std::optional<Service> ServiceTable::find(const ServiceId& id) const {
  const PackedService* const service = services_.find(id);
  return service == nullptr ? std::nullopt : std::optional(service->unpack());
}

void ServiceTable::for_each_service(const std::function<void(const Service&)>& visit) const {
  services_.for_each([&](const PackedService& service) { visit(service.unpack()); });
}

}  // namespace meshdns::discovery
