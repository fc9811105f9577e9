#include "discovery/control/envoy_catalog.h"

#include <set>
#include <string>
#include <utility>

#include "base/ip_address.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/mesh_change.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

void withdraw(const std::set<std::string>& listeners, MeshChange& change) {
  for (const std::string& name : listeners) {
    change.removals.push_back({std::string(kListenerTypeUrl), name});
  }
}

}  // namespace

void EnvoyCatalog::put(Service& service, MeshChange& change) {
  service.addresses = addresses_.acquire(service.id);
  service.awaits_address = service.addresses.empty();
  std::set<std::string>& listeners = listeners_[service.id];
  std::set<std::string> gone = std::exchange(listeners, {});
  for (const IpAddress& address : service.addresses) {
    for (const ServicePort& port : service.ports) {
      ResourceUpdate listener = envoy_listener(service.id, port, address, binding_);
      gone.erase(listener.name);
      listeners.insert(listener.name);
      change.updates.push_back(std::move(listener));
    }
  }
  withdraw(gone, change);
}

void EnvoyCatalog::remove(const ServiceId& id, MeshChange& change) {
  addresses_.release(id);
  if (const auto listeners = listeners_.find(id); listeners != listeners_.end()) {
    withdraw(listeners->second, change);
    listeners_.erase(listeners);
  }
}

}  // namespace meshdns::discovery
