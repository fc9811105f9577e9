#include "discovery/control/dataplane_store.h"

#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "discovery/control/resource_encoding.h"
#include "discovery/control/service_generator.h"
#include "discovery/dataplane.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {

DataplaneStore::DataplaneStore(std::string default_zone, Logger& logger)
    : default_zone_(std::move(default_zone)), logger_(logger) {}

void DataplaneStore::set_file(const std::string& file, std::vector<SourcedDataplane> entities) {
  // The old entities live until the new ones are in, so that no pointer into them is left behind.
  const auto old = files_.find(file);
  std::vector<SourcedDataplane> former;
  if (old != files_.end()) {
    former = std::move(old->second);
    for (const SourcedDataplane& entity : former) {
      remove({file, entity.line}, {entity.dataplane.mesh, entity.dataplane.name});
    }
    files_.erase(old);
  }
  if (entities.empty()) {
    return;
  }
  const auto& kept = files_.emplace(file, std::move(entities)).first->second;
  for (const SourcedDataplane& entity : kept) {
    add({file, entity.line}, entity.dataplane);
  }
}

void DataplaneStore::add(const Place& place, const Dataplane& dataplane) {
  const Key key{dataplane.mesh, dataplane.name};
  auto& claims = claims_[key];
  const Dataplane* before = claims.empty() ? nullptr : claims.begin()->second;
  claims.emplace(place, &dataplane);
  const Dataplane* now = claims.begin()->second;
  if (before != now) {
    if (before != nullptr) {
      mark(*before, false);
    }
    dataplanes_[key] = now;
    mark(*now, true);
  }
}

void DataplaneStore::remove(const Place& place, const Key& key) {
  const auto entry = claims_.find(key);
  const bool was_first = entry->second.begin()->first == place;
  const Dataplane* gone = entry->second.at(place);
  entry->second.erase(place);
  if (!was_first) {
    return;
  }
  mark(*gone, false);
  if (entry->second.empty()) {
    claims_.erase(entry);
    dataplanes_.erase(key);
  } else {
    dataplanes_[key] = entry->second.begin()->second;
    mark(*dataplanes_[key], true);
  }
}

void DataplaneStore::mark(const Dataplane& dataplane, bool is_member) {
  const Key key{dataplane.mesh, dataplane.name};
  dirty_dataplanes_.insert(key);
  for (const std::string& name : services_of(dataplane)) {
    const ServiceId id{dataplane.mesh, name};
    dirty_services_.insert(id);
    if (is_member) {
      members_[id].insert(key);
    } else if (const auto members = members_.find(id); members != members_.end()) {
      members->second.erase(key);
      if (members->second.empty()) {
        members_.erase(members);
      }
    }
  }
}

void DataplaneStore::commit() {
  struct Change {
    std::vector<ResourceUpdate> updates;
    std::vector<ResourceRemoval> removals;
  };
  std::map<std::string, Change> changes;
  warnings_.clear();
  for (const ServiceId& id : std::exchange(dirty_services_, {})) {
    Change& change = changes[id.mesh];
    const auto members = members_.find(id);
    if (members == members_.end()) {
      change.removals.push_back({std::string(kServiceTypeUrl), id.to_string()});
      change.removals.push_back({std::string(kClusterLoadAssignmentTypeUrl), id.to_string()});
      continue;
    }
    std::vector<const Dataplane*> dataplanes;
    for (const Key& key : members->second) {
      dataplanes.push_back(dataplanes_.at(key));
    }
    const GeneratedService generated = generate_service(id, dataplanes, default_zone_);
    for (const std::string& warning : generated.warnings) {
      warnings_.push_back(fmt::format("service {}: {}", id.to_string(), warning));
      logger_.warn("{}", warnings_.back());
    }
    change.updates.push_back(
        {std::string(kServiceTypeUrl), id.to_string(), encode_service(generated.service)});
    change.updates.push_back({std::string(kClusterLoadAssignmentTypeUrl), id.to_string(),
                              encode_endpoints(id.to_string(), generated.endpoints)});
  }
  for (const Key& key : std::exchange(dirty_dataplanes_, {})) {
    const std::string name = key.first + "/" + key.second;
    const auto dataplane = dataplanes_.find(key);
    if (dataplane == dataplanes_.end()) {
      changes[key.first].removals.push_back({std::string(kDataplaneTypeUrl), name});
    } else {
      changes[key.first].updates.push_back(
          {std::string(kDataplaneTypeUrl), name, encode_dataplane(*dataplane->second)});
    }
  }
  for (auto& [mesh, change] : changes) {
    resources(mesh)->apply(std::move(change.updates), std::move(change.removals));
  }
}

std::shared_ptr<ResourceSet> DataplaneStore::resources(const std::string& mesh) {
  const std::lock_guard lock(mutex_);
  auto& set = resources_[mesh];
  if (!set) {
    set = std::make_shared<ResourceSet>();
  }
  return set;
}

std::vector<std::string> DataplaneStore::problems() const {
  std::vector<std::string> problems;
  for (const auto& [key, claims] : claims_) {
    const Place& first = claims.begin()->first;
    for (auto claim = std::next(claims.begin()); claim != claims.end(); ++claim) {
      problems.push_back(fmt::format("{}:{}: the dataplane {}/{} is already at {}:{}",
                                     claim->first.file, claim->first.line, escape_name(key.first),
                                     escape_name(key.second), first.file, first.line));
    }
  }
  return problems;
}

}  // namespace meshdns::discovery
