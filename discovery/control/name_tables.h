// The name table of each mesh (istio.networking.nds.v1.NameTable), for clients that ask for names
// alone, as istio-agents do: every hostname with the service's own addresses, or those of its
// endpoints where it has none. One unnamed resource for each mesh, told whole at each change, as
// NDS has it.
//
// A change costs what the change is, and putting the mesh's entries together, which are kept as
// octets. Belongs to the control thread.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "discovery/service.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

class NameTables {
 public:
  // A table without names: what a mesh has that nothing is in.
  [[nodiscard]] static ResourceUpdate empty();

  // The service is so from now on. A name without an address is not in the table. Where services
  // have a hostname in common, the first in order has it.
  void put(const Service& service, std::span<const Endpoint> endpoints);
  void remove(const ServiceId& id);

  [[nodiscard]] bool has_changes() const { return !touched_.empty(); }
  // The tables that changed since the last call, by mesh.
  [[nodiscard]] std::map<std::string, ResourceUpdate> take_changes();

 private:
  // By hostname; whose, and the entry's octets.
  using Entries = std::map<std::string, std::map<ServiceId, std::string>>;

  std::map<std::string, Entries> meshes_;
  std::map<ServiceId, std::vector<std::string>> hostnames_;  // that it has entries under
  std::set<std::string> touched_;                            // meshes
};

}  // namespace meshdns::discovery
