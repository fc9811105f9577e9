#include "discovery/control/name_tables.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "istio/networking/nds/v1/nds.pb.h"

namespace meshdns::discovery {
namespace {

using istio::networking::nds::v1::NameTable;

// The endpoints that serve; all where none does: an address that may answer is better than none.
std::set<IpAddress> addresses_of(const Service& service, std::span<const Endpoint> endpoints) {
  std::set<IpAddress> addresses(service.addresses.begin(), service.addresses.end());
  if (!addresses.empty() || service.awaits_address) {
    return addresses;
  }
  const bool any_serves = std::ranges::any_of(
      endpoints, [](const Endpoint& each) { return each.health != Health::kUnhealthy; });
  for (const Endpoint& endpoint : endpoints) {
    if (!any_serves || endpoint.health != Health::kUnhealthy) {
      addresses.insert(endpoint.address);
    }
  }
  return addresses;
}

// One entry as it stands in a table. Tables put together of such are what protobuf makes of them,
// since a map is its entries one after the other.
std::string entry_of(const std::string& hostname, const std::set<IpAddress>& addresses) {
  NameTable table;
  NameTable::NameInfo& info = (*table.mutable_table())[hostname];
  info.set_registry("External");
  for (const IpAddress& address : addresses) {
    info.add_ips(address.to_string());
  }
  return table.SerializeAsString();
}

}  // namespace

ResourceUpdate NameTables::empty() {
  return {.type_url = std::string(kNameTableTypeUrl), .name = "", .value = ""};
}

void NameTables::put(const Service& service, std::span<const Endpoint> endpoints) {
  remove(service.id);
  const std::set<IpAddress> addresses = addresses_of(service, endpoints);
  if (addresses.empty()) {
    return;
  }
  Entries& entries = meshes_[service.id.mesh];
  for (const std::string& hostname : service.hostnames) {
    entries[hostname].insert_or_assign(service.id, entry_of(hostname, addresses));
  }
  hostnames_.insert_or_assign(service.id, service.hostnames);
}

void NameTables::remove(const ServiceId& id) {
  touched_.insert(id.mesh);
  const auto hostnames = hostnames_.find(id);
  if (hostnames == hostnames_.end()) {
    return;
  }
  const auto mesh = meshes_.find(id.mesh);
  Entries& entries = mesh->second;
  for (const std::string& hostname : hostnames->second) {
    const auto place = entries.find(hostname);
    place->second.erase(id);
    if (place->second.empty()) {
      entries.erase(place);
    }
  }
  hostnames_.erase(hostnames);
  if (entries.empty()) {
    meshes_.erase(mesh);
  }
}

std::map<std::string, ResourceUpdate> NameTables::take_changes() {
  std::map<std::string, ResourceUpdate> changes;
  for (const std::string& mesh : std::exchange(touched_, {})) {
    ResourceUpdate& table = changes.emplace(mesh, empty()).first->second;
    const auto entries = meshes_.find(mesh);
    if (entries == meshes_.end()) {
      continue;
    }
    for (const auto& [hostname, owners] : entries->second) {
      table.value += owners.begin()->second;
    }
  }
  return changes;
}

}  // namespace meshdns::discovery
