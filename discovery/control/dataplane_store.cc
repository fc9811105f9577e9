#include "discovery/control/dataplane_store.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/entity_source.h"
#include "discovery/control/envoy_catalog.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/grpc_catalog.h"
#include "discovery/control/hostname_catalog.h"
#include "discovery/control/mesh_change.h"
#include "discovery/control/name_tables.h"
#include "discovery/control/service_addresses.h"
#include "discovery/control/service_generator.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

const Dataplane* first_of(const std::map<EntitySource, SourcedDataplane>& claims) {
  return claims.empty() ? nullptr : claims.begin()->second.dataplane.get();
}

std::string name_of(const DataplaneId& id) {
  return is_of_a_mesh(id.kind) ? id.to_string() : id.name;
}

// Leaves out what resolvers take no more of.
template <typename Items>
void cut(Items& items, std::size_t most, std::string_view what,
         std::vector<std::string>& warnings) {
  if (items.size() > most) {
    warnings.push_back(
        fmt::format("it has {} {}, of which resolvers are told {}", items.size(), what, most));
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(most), items.end());
  }
}

// A service that resolvers take: they would refuse all of one that has too much of something.
void cut_for_resolvers(GeneratedService& generated) {
  Service& service = generated.service;
  cut(service.hostnames, kMaxServiceHostnames, "hostnames", generated.warnings);
  cut(service.addresses, kMaxServiceAddresses, "addresses", generated.warnings);
  cut(service.ports, kMaxServicePorts, "ports", generated.warnings);
  cut(generated.endpoints, kMaxServiceEndpoints, "endpoints", generated.warnings);
}

// A line that names a file, whose name may hold anything, as one line. What a document says is
// escaped already.
std::string one_line(std::string text) {
  std::ranges::replace_if(text, [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; }, '?');
  return text;
}

}  // namespace

DataplaneStore::DataplaneStore(std::string default_zone, Logger& logger)
    : default_zone_(std::move(default_zone)), logger_(logger) {}

void DataplaneStore::serve_name_tables(const Clock& clock) {
  name_tables_.emplace(PacedTables{.clock = clock});
  audiences_.set_of_nothing({NameTables::empty()});
}

void DataplaneStore::serve_listeners(ServiceAddresses& addresses, ListenerBinding binding,
                                     std::vector<ResourceUpdate> common) {
  envoy_.emplace(addresses, binding);
  audiences_.set_common(std::move(common));
}

void DataplaneStore::touch(const std::vector<ServiceId>& services) {
  std::ranges::copy_if(services, std::inserter(dirty_services_, dirty_services_.end()),
                       [this](const ServiceId& id) { return members_.contains(id); });
}

void DataplaneStore::change(const EntitySource& source, const DataplaneChange& change) {
  for (const DataplaneId& id : change.removed) {
    withdraw(source, id);
  }
  for (const auto& [id, entity] : change.put) {
    put(source, id, entity);
  }
}

std::vector<DataplaneStore::Claim> DataplaneStore::claims(const DataplaneId& id) const {
  std::vector<Claim> claims;
  if (const auto found = claims_.find(id); found != claims_.end()) {
    for (const auto& [source, entity] : found->second) {
      claims.push_back({source, entity});
    }
  }
  return claims;
}

void DataplaneStore::for_each(const std::function<void(const Claim&)>& visit) const {
  for (const auto& [id, claims] : claims_) {
    const auto& [source, entity] = *claims.begin();
    visit({source, entity});
  }
}

void DataplaneStore::put(const EntitySource& source, const DataplaneId& id,
                         const SourcedDataplane& entity) {
  Claims& claims = claims_[id];
  dataplanes_ += claims.empty() && id.kind == EntityKind::kDataplane ? 1U : 0U;
  // A copy, since the claim may be what keeps the old value alive.
  const std::shared_ptr<const Dataplane> before =
      claims.empty() ? nullptr : claims.begin()->second.dataplane;
  claims.insert_or_assign(source, entity);
  replace(before.get(), first_of(claims));
  note_contest(id, claims);
}

void DataplaneStore::withdraw(const EntitySource& source, const DataplaneId& id) {
  const auto place = claims_.find(id);
  Claims& claims = place->second;
  const std::shared_ptr<const Dataplane> before = claims.begin()->second.dataplane;
  claims.erase(source);
  replace(before.get(), first_of(claims));
  note_contest(id, claims);
  if (claims.empty()) {
    dataplanes_ -= id.kind == EntityKind::kDataplane ? 1U : 0U;
    claims_.erase(place);
  }
}

void DataplaneStore::replace(const Dataplane* before, const Dataplane* after) {
  if (before == after) {
    return;
  }
  const bool is_equal = before != nullptr && after != nullptr && *before == *after;
  const Dataplane& either = after != nullptr ? *after : *before;
  if (either.generator) {
    if (!is_equal) {
      replace_generator(either.name, after);
    }
    return;
  }
  if (before != nullptr) {
    leave(*before);
    if (!is_equal) {
      std::ranges::copy(services_of(*before),
                        std::inserter(dirty_services_, dirty_services_.end()));
      dirty_dataplanes_.insert(before->id());
    }
  }
  if (after != nullptr) {
    join(*after);
    if (!is_equal) {
      std::ranges::copy(services_of(*after), std::inserter(dirty_services_, dirty_services_.end()));
      dirty_dataplanes_.insert(after->id());
    }
  }
}

void DataplaneStore::replace_generator(const std::string& name, const Dataplane* after) {
  if (after != nullptr && after->generator) {
    hostnames_.set_generator(name, *after->generator);
  } else {
    hostnames_.remove_generator(name);
  }
  for (const auto& [id, members] : members_) {
    dirty_services_.insert(id);
  }
}

void DataplaneStore::dirty(const std::vector<ServiceId>& services) {
  dirty_services_.insert(services.begin(), services.end());
}

void DataplaneStore::join(const Dataplane& dataplane) {
  for (const ServiceId& id : services_of(dataplane)) {
    members_[id].insert_or_assign(dataplane.id(), &dataplane);
  }
}

void DataplaneStore::leave(const Dataplane& dataplane) {
  for (const ServiceId& id : services_of(dataplane)) {
    const auto members = members_.find(id);
    members->second.erase(dataplane.id());
    if (members->second.empty()) {
      members_.erase(members);
    }
  }
}

void DataplaneStore::note_contest(const DataplaneId& id, const Claims& claims) {
  if (claims.size() > 1) {
    contested_.insert(id);
  } else {
    contested_.erase(id);
  }
}

DataplaneStore::CommitStats DataplaneStore::commit() {
  CommitStats stats;
  std::map<std::string, MeshChange> changes;
  // A name that goes from one service to another makes that one dirty, too.
  while (!dirty_services_.empty()) {
    for (const ServiceId& id : std::exchange(dirty_services_, {})) {
      generate(id, changes[id.mesh], stats);
    }
  }
  for (const DataplaneId& id : std::exchange(dirty_dataplanes_, {})) {
    if (id.kind != EntityKind::kDataplane) {
      continue;  // which streams are not told
    }
    MeshChange& change = changes[id.mesh];
    const auto claims = claims_.find(id);
    if (claims == claims_.end()) {
      change.removals.push_back({std::string(kDataplaneTypeUrl), id.to_string()});
    } else {
      change.updates.push_back({std::string(kDataplaneTypeUrl), id.to_string(),
                                encode_dataplane(*first_of(claims->second))});
    }
  }
  GrpcCatalog::Changes for_grpc = grpc_.take_changes();
  for (const std::string& contest : for_grpc.contests) {
    logger_.warn("{}", contest);
  }
  for (auto& [mesh, change] : for_grpc.meshes) {
    std::ranges::move(change.updates, std::back_inserter(changes[mesh].updates));
    std::ranges::move(change.removals, std::back_inserter(changes[mesh].removals));
  }
  take_name_tables(changes);
  if (envoy_) {
    envoy_->flush();
  }
  for (auto& [mesh, change] : changes) {
    audiences_.find_or_make(mesh)->apply(change.updates, change.removals);
    audiences_.let_go_if_empty(mesh);
  }
  services_generated_ += stats.services_generated;
  if (stats.services_generated + stats.services_removed > 0) {
    logger_.info("published services={} removed={} of={}", stats.services_generated,
                 stats.services_removed, services());
  }
  report_problems();
  return stats;
}

void DataplaneStore::take_name_tables(std::map<std::string, MeshChange>& changes) {
  if (!name_tables_ || name_tables_->clock.now() < name_tables_->next_at) {
    return;
  }
  std::size_t octets = 0;
  for (auto& [mesh, table] : name_tables_->tables.take_changes()) {
    octets += table.value.size();
    changes[mesh].updates.push_back(std::move(table));
  }
  const std::chrono::nanoseconds pause = std::chrono::seconds(static_cast<std::int64_t>(octets));
  name_tables_->next_at = name_tables_->clock.now() + pause / kTableOctetsPerSecond;
}

void DataplaneStore::tell_name_tables() {
  if (name_tables_ && name_tables_->tables.has_changes()) {
    commit();
  }
}

void DataplaneStore::generate(const ServiceId& id, MeshChange& change, CommitStats& stats) {
  const auto members = members_.find(id);
  if (members == members_.end()) {
    warnings_.erase(id);
    dirty(hostnames_.remove(id));
    grpc_.remove(id);
    if (name_tables_) {
      name_tables_->tables.remove(id);
    }
    if (envoy_) {
      envoy_->remove(id, change);
    }
    change.removals.push_back({std::string(kServiceTypeUrl), id.to_string()});
    change.removals.push_back({std::string(kClusterLoadAssignmentTypeUrl), id.to_string()});
    ++stats.services_removed;
    return;
  }
  std::vector<const Dataplane*> dataplanes;
  std::ranges::transform(members->second, std::back_inserter(dataplanes),
                         [](const auto& member) { return member.second; });
  GeneratedService generated = generate_service(id, dataplanes, default_zone_);
  dirty(hostnames_.put(generated.service,
                       generated.is_external ? HostnameCatalog::Origin::kExternal
                                             : HostnameCatalog::Origin::kDataplanes,
                       generated.warnings));
  std::ranges::copy(grpc_.put(generated), std::back_inserter(generated.warnings));
  if (envoy_) {
    generated.service.addresses.clear();  // where it has a virtual one, Envoys listen on that
    envoy_->put(generated.service, change);
  }
  if (name_tables_) {
    name_tables_->tables.put(generated.service, generated.endpoints);
  }
  cut_for_resolvers(generated);
  change.updates.push_back(
      {std::string(kServiceTypeUrl), id.to_string(), encode_service(generated.service)});
  change.updates.push_back({std::string(kClusterLoadAssignmentTypeUrl), id.to_string(),
                            encode_endpoints(id.to_string(), generated.endpoints)});
  warn(id, std::move(generated.warnings));
  ++stats.services_generated;
}

void DataplaneStore::warn(const ServiceId& id, std::vector<std::string> warnings) {
  const auto known = warnings_.find(id);
  for (const std::string& warning : warnings) {
    if (known == warnings_.end() ||
        std::ranges::find(known->second, warning) == known->second.end()) {
      logger_.warn("{} service={}", warning, escape_name(id.to_string()));
    }
  }
  if (warnings.empty()) {
    warnings_.erase(id);
  } else {
    warnings_.insert_or_assign(id, std::move(warnings));
  }
}

void DataplaneStore::report_problems() {
  std::set<std::string> found = find_problems();
  for (const std::string& problem : found) {
    if (!problems_.contains(problem)) {
      logger_.error("{}", problem);
    }
  }
  problems_ = std::move(found);
}

std::set<std::string> DataplaneStore::find_problems() const {
  std::set<std::string> problems;
  for (const DataplaneId& id : contested_) {
    const Claims& claims = claims_.at(id);
    const auto first = claims.begin();
    for (auto claim = std::next(first); claim != claims.end(); ++claim) {
      problems.insert(one_line(fmt::format("{}: the {} {} is already at {}",
                                           claim->first.place(*claim->second.line), noun(id.kind),
                                           name_of(id), first->first.place(*first->second.line))));
    }
  }
  for (const GrpcCatalog::Refused& refused : grpc_.refused()) {
    problems.insert(one_line(fmt::format("{}: service {}: left out, since gRPC would refuse {}",
                                         place_of(refused.service), refused.service.to_string(),
                                         refused.reason)));
  }
  return problems;
}

std::string DataplaneStore::place_of(const ServiceId& id) const {
  const DataplaneId& first_member = members_.at(id).begin()->first;
  const auto& [source, dataplane] = *claims_.at(first_member).begin();
  return source.place(*dataplane.line);
}

std::vector<std::string> DataplaneStore::warnings() const {
  std::vector<std::string> all;
  for (const auto& [id, warnings] : warnings_) {
    for (const std::string& warning : warnings) {
      all.push_back(fmt::format("service {}: {}", id.to_string(), warning));
    }
  }
  std::ranges::copy(grpc_.contests(), std::back_inserter(all));
  return all;
}

}  // namespace meshdns::discovery
