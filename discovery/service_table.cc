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
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/service.h"

namespace meshdns::discovery {

template <typename Key, typename Value>
bool ServiceTable::Ranked<Key, Value>::set(std::size_t rank, const Key& key, const Value& value) {
  auto& by_rank = entries_[key].by_rank;
  const auto [place, is_new] = by_rank.try_emplace(rank, value);
  counts_[rank] += is_new ? 1 : 0;
  if (!is_new && place->second == value) {
    return false;
  }
  place->second = value;
  return place == by_rank.begin();
}

template <typename Key, typename Value>
bool ServiceTable::Ranked<Key, Value>::erase(std::size_t rank, const Key& key) {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) {
    return false;
  }
  auto& by_rank = entry->second.by_rank;
  const auto place = by_rank.find(rank);
  if (place == by_rank.end()) {
    return false;
  }
  const bool was_effective = place == by_rank.begin();
  by_rank.erase(place);
  --counts_[rank];
  if (by_rank.empty()) {
    entries_.erase(entry);
  }
  return was_effective;
}

template <typename Key, typename Value>
const Value* ServiceTable::Ranked<Key, Value>::find(const Key& key) const {
  const auto entry = entries_.find(key);
  return entry == entries_.end() ? nullptr : &entry->second.by_rank.begin()->second;
}

template <typename Key, typename Value>
bool ServiceTable::Ranked<Key, Value>::has(std::size_t rank, const Key& key) const {
  const auto entry = entries_.find(key);
  return entry != entries_.end() && entry->second.by_rank.contains(rank);
}

template <typename Key, typename Value>
std::vector<Key> ServiceTable::Ranked<Key, Value>::keys_of(std::size_t rank) const {
  std::vector<Key> keys;
  for (const auto& [key, entry] : entries_) {
    if (entry.by_rank.contains(rank)) {
      keys.push_back(key);
    }
  }
  return keys;
}

template <typename Key, typename Value>
std::size_t ServiceTable::Ranked<Key, Value>::count_of(std::size_t rank) const {
  const auto count = counts_.find(rank);
  return count == counts_.end() ? 0 : count->second;
}

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
  const Removals removals = removals_of(rank, delta);
  const std::size_t before = services_.count_of(rank) + records_.count_of(rank);

  TableChange change;
  for (const Service& service : delta.services) {
    held_services_.erase({rank, service.id});
    if (services_.set(rank, service.id, service)) {
      change.services.push_back(service);
    }
  }
  for (const NameRecord& record : delta.records) {
    held_records_.erase({rank, record.name});
    if (records_.set(rank, record.name, record)) {
      change.records.push_back(record);
    }
  }
  const std::size_t leaving = removals.services.size() + removals.records.size();
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
  Removals removals;
  if (!delta.full_state) {
    std::ranges::copy_if(delta.removed_services, std::back_inserter(removals.services),
                         [&](const ServiceId& id) {
                           return services_.has(rank, id) && !held_services_.contains({rank, id});
                         });
    std::ranges::copy_if(delta.removed_records, std::back_inserter(removals.records),
                         [&](const std::string& name) {
                           return records_.has(rank, name) && !held_records_.contains({rank, name});
                         });
    return removals;
  }
  std::set<ServiceId> listed_services;
  for (const Service& service : delta.services) {
    listed_services.insert(service.id);
  }
  std::ranges::copy_if(
      services_.keys_of(rank), std::back_inserter(removals.services), [&](const ServiceId& id) {
        return !listed_services.contains(id) && !held_services_.contains({rank, id});
      });
  std::set<std::string> listed_records;
  for (const NameRecord& record : delta.records) {
    listed_records.insert(record.name);
  }
  std::ranges::copy_if(
      records_.keys_of(rank), std::back_inserter(removals.records), [&](const std::string& name) {
        return !listed_records.contains(name) && !held_records_.contains({rank, name});
      });
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
  held_total_.add(removals.services.size() + removals.records.size());
}

void ServiceTable::remove(std::size_t rank, const Removals& removals, TableChange& change) {
  for (const ServiceId& id : removals.services) {
    if (services_.erase(rank, id)) {
      report(id, change);
    }
  }
  for (const std::string& name : removals.records) {
    if (records_.erase(rank, name)) {
      report(name, change);
    }
  }
}

void ServiceTable::report(const ServiceId& id, TableChange& change) const {
  if (const Service* service = services_.find(id)) {
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
  return next;
}

std::size_t ServiceTable::held_down() const { return held_services_.size() + held_records_.size(); }

const Service* ServiceTable::find(const ServiceId& id) const { return services_.find(id); }

void ServiceTable::for_each_service(const std::function<void(const Service&)>& visit) const {
  for (const auto& [id, entry] : services_.entries()) {
    visit(entry.by_rank.begin()->second);
  }
}

}  // namespace meshdns::discovery
