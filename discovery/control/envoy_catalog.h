// What Envoys are served beside clusters and endpoints, in all meshes: the services' virtual
// addresses, and a listener on each with each port. Belongs to the control thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "discovery/control/envoy_resources.h"
#include "discovery/control/mesh_change.h"
#include "discovery/control/service_addresses.h"
#include "discovery/service.h"

namespace meshdns::discovery {

class EnvoyCatalog {
 public:
  // `addresses` outlives the catalog.
  EnvoyCatalog(ServiceAddresses& addresses, ListenerBinding binding)
      : addresses_(addresses), binding_(binding) {}

  // Gives the service its addresses, or says that it awaits them, and puts what that makes of its
  // listeners into `change`.
  void put(Service& service, MeshChange& change);
  // The service is no more: its listeners go, and its addresses rest.
  void remove(const ServiceId& id, MeshChange& change);
  // What was put and removed goes to the disk.
  void flush() { addresses_.flush(); }

 private:
  ServiceAddresses& addresses_;
  ListenerBinding binding_;
  std::map<ServiceId, std::set<std::string>> listeners_;  // their names
};

}  // namespace meshdns::discovery
