#include "discovery/service_table.h"

#include <algorithm>
#include <cassert>
#include <chrono>
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
namespace {

// Times at which held entries go are as far apart: each costs a look at all that are held.
constexpr std::chrono::seconds kBetweenExpiries{1};

}  // namespace

ServiceTable::ServiceTable(std::vector<std::string> feeds, Clock& clock, Logger& logger,
                           MetricRegistry& metrics)
    : clock_(clock),
      logger_(logger),
      held_total_(metrics.counter("meshdns_table_held_down_total",
                                  "Entries whose removal was held down for a minute.")) {
  for (std::string& name : feeds) {
    feeds_.push_back({.name = std::move(name)});
  }
}

TableChange ServiceTable::apply(const ServiceDelta& delta) {
  const auto feed = std::ranges::find(feeds_, delta.feed, &Feed::name);
  assert(feed != feeds_.end());
  const auto rank = static_cast<std::size_t>(feed - feeds_.begin());
  Removals removals = removals_of(rank, delta);
  hold_with_services(rank, removals);
  const bool is_held = removals.size() > 0 && is_of_most(rank, removals.size());

  TableChange change;
  for (const Service& service : delta.services) {
    feed->held.services.erase(service.id);
    if (const PackedService packed(service); services_.set(rank, packed)) {
      change.services.push_back(packed);
    }
  }
  for (const NameRecord& record : delta.records) {
    feed->held.records.erase(record.name);
    if (records_.set(rank, record)) {
      change.records.push_back(record);
    }
  }
  for (const ServiceEndpoints& endpoints : delta.endpoints) {
    feed->held.endpoints.erase(endpoints.service);
    if (endpoints_.set(rank, endpoints)) {
      change.endpoints.push_back(endpoints);
    }
  }
  if (is_held) {
    hold(*feed, removals);
  } else {
    remove(rank, removals, change);
  }
  return change;
}

bool ServiceTable::is_of_most(std::size_t rank, std::size_t leaving) {
  Feed& feed = feeds_[rank];
  const TimePoint now = clock_.now();
  const std::size_t here = services_.count_of(rank) + records_.count_of(rank) +
                           endpoints_.count_of(rank) - feed.held.size();
  while (!feed.found.empty() && feed.found.front().at + kHoldDown <= now) {
    feed.found.pop_front();
  }
  while (!feed.found.empty() && feed.found.back().entries <= here) {
    feed.found.pop_back();
  }
  feed.found.push_back({.at = now, .entries = here});
  const std::size_t most = feed.found.front().entries;
  const bool is_of_most = leaving >= kHoldDownMinimum && (here - leaving) * 2 < most;
  if (is_of_most && now >= feed.silent_until) {
    feed.silent_until = now + kHoldDown;
    logger_.warn(
        "most of the table is removed; the removed names answer for {} s more "
        "feed={} removed={} left={} of={}",
        kHoldDown.count(), feed.name, leaving, here - leaving, most);
  }
  return is_of_most;
}

ServiceTable::Removals ServiceTable::removals_of(std::size_t rank,
                                                 const ServiceDelta& delta) const {
  // Of one kind: what a full state does not list, else what the delta names; without what is not
  // there or is held down already.
  const auto take = [&](const auto& entries, const auto& held, const auto& listed, auto key_of,
                        const auto& removed, auto& into) {
    const auto counts = [&](const auto& key) {
      return entries.has(rank, key) && !held.contains(key);
    };
    if (delta.full_state) {
      std::set<typename std::decay_t<decltype(removed)>::value_type> kept;
      std::ranges::transform(listed, std::inserter(kept, kept.end()), key_of);
      std::ranges::copy_if(entries.keys_of(rank), std::back_inserter(into),
                           [&](const auto& key) { return !kept.contains(key) && counts(key); });
    } else {
      std::ranges::copy_if(removed, std::back_inserter(into), counts);
    }
    std::ranges::sort(into);
    // A response may name one twice.
    const auto repeated = std::ranges::unique(into);
    into.erase(repeated.begin(), repeated.end());
  };
  const Held& held = feeds_[rank].held;
  Removals removals;
  take(services_, held.services, delta.services, &Service::id, delta.removed_services,
       removals.services);
  take(records_, held.records, delta.records, &NameRecord::name, delta.removed_records,
       removals.records);
  take(endpoints_, held.endpoints, delta.endpoints, &ServiceEndpoints::service,
       delta.removed_endpoints, removals.endpoints);
  return removals;
}

void ServiceTable::hold(Feed& feed, const Removals& removals) {
  TimePoint until = clock_.now() + kHoldDown;
  if (until > latest_expiry_ && until - latest_expiry_ < kBetweenExpiries) {
    until = latest_expiry_ + kBetweenExpiries;
  }
  latest_expiry_ = std::max(latest_expiry_, until);
  for (const ServiceId& id : removals.services) {
    feed.held.services.try_emplace(id, latest_expiry_);
  }
  for (const std::string& name : removals.records) {
    feed.held.records.try_emplace(name, latest_expiry_);
  }
  for (const ServiceId& id : removals.endpoints) {
    feed.held.endpoints.try_emplace(id, latest_expiry_);
  }
  next_expiry_ = std::min(next_expiry_.value_or(latest_expiry_), latest_expiry_);
  held_total_.add(removals.size());
}

void ServiceTable::hold_with_services(std::size_t rank, Removals& removals) {
  std::erase_if(removals.endpoints, [&](const ServiceId& id) {
    return std::ranges::any_of(feeds_, [&](const Feed& other) {
      const auto service = other.held.services.find(id);
      const bool is_held = service != other.held.services.end();
      if (is_held) {
        feeds_[rank].held.endpoints.try_emplace(id, service->second);
      }
      return is_held;
    });
  });
}

void ServiceTable::remove(std::size_t rank, const Removals& removals, TableChange& change) {
  const auto drop = [&](std::string resource) {
    change.dropped.push_back({feeds_[rank].name, std::move(resource)});
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
  next_expiry_.reset();
  const auto take = [&](auto& held, auto& into) {
    for (auto entry = held.begin(); entry != held.end();) {
      if (entry->second <= now) {
        into.push_back(entry->first);
        entry = held.erase(entry);
      } else {
        next_expiry_ = std::min(next_expiry_.value_or(entry->second), entry->second);
        ++entry;
      }
    }
  };
  for (std::size_t rank = 0; rank < feeds_.size(); ++rank) {
    Removals removals;
    take(feeds_[rank].held.services, removals.services);
    take(feeds_[rank].held.records, removals.records);
    take(feeds_[rank].held.endpoints, removals.endpoints);
    remove(rank, removals, change);
  }
  return change;
}

std::size_t ServiceTable::held_down() const {
  std::size_t held = 0;
  for (const Feed& feed : feeds_) {
    held += feed.held.services.size() + feed.held.records.size();
  }
  return held;
}

std::optional<Service> ServiceTable::find(const ServiceId& id) const {
  const PackedService* const service = services_.find(id);
  return service == nullptr ? std::nullopt : std::optional(service->unpack());
}

void ServiceTable::for_each_service(const std::function<void(const Service&)>& visit) const {
  services_.for_each([&](const PackedService& service) { visit(service.unpack()); });
}

}  // namespace meshdns::discovery
