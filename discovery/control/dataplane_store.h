// Every Dataplane of every source (file, API, stream), and the resources made of them: what changes
// in a source changes exactly the services it touches.
//
// Belongs to the control thread, but for resources(), which any thread may call; the ResourceSets
// are shared with the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/audiences.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/entity_source.h"
#include "discovery/control/envoy_catalog.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/grpc_catalog.h"
#include "discovery/control/hostname_catalog.h"
#include "discovery/control/mesh_change.h"
#include "discovery/control/name_tables.h"
#include "discovery/control/service_addresses.h"
#include "discovery/dataplane.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

class DataplaneStore {
 public:
  // `default_zone` is the zone of inbounds that name none. `logger` outlives the store.
  DataplaneStore(std::string default_zone, Logger& logger);

  // From now on services get their addresses from `addresses`, which outlives the store, and Envoys
  // their listeners. `common`: what these need in every mesh. Call it before the first commit().
  void serve_listeners(ServiceAddresses& addresses, ListenerBinding binding,
                       std::vector<ResourceUpdate> common);
  // From now on each mesh has its name table. It is told whole: at once after quiet, and when it
  // changes all the time, at so many octets a second, put together and told by one thread. Call it
  // before the first commit(). `clock` outlives the store.
  static constexpr std::int64_t kTableOctetsPerSecond = std::int64_t{16} << 20U;
  void serve_name_tables(const Clock& clock);
  // Tells the name tables that commit() held back, when they are due. Call it a few times a second.
  void tell_name_tables();
  // Generates these services anew at the next commit(): their addresses changed.
  void touch(const std::vector<ServiceId>& services);

  // Takes what changed in `source` since the last time. Where several tell of the same dataplane,
  // the first in their order counts (of files, in order of their names), and the others stand in
  // when it goes. Takes effect at commit().
  void change(const EntitySource& source, const DataplaneChange& change);
  void change_file(const std::string& file, const DataplaneChange& change) {
    this->change({SourceKind::kDirectory, file}, change);
  }

  struct CommitStats {
    std::size_t services_generated = 0;
    std::size_t services_removed = 0;
  };
  // Generates anew what the changes touched and puts it into the resource sets, one commit a mesh.
  // Says in the log what is new: the services made, and what is wrong beyond one source.
  CommitStats commit();

  // The resources of a mesh; an empty set, to be filled, for one that has nothing yet. Thread-safe.
  // kExhausted when clients wait for too many meshes that do not exist.
  [[nodiscard]] Result<std::shared_ptr<ResourceSet>> resources(const std::string& mesh) {
    return audiences_.find_or_await(mesh);
  }

  [[nodiscard]] std::size_t dataplanes() const { return dataplanes_; }
  // Who says to be this dataplane, the one that counts first; none where nobody does. Valid until
  // the next change.
  struct Claim {
    const EntitySource& source;
    const SourcedDataplane& entity;
  };
  [[nodiscard]] std::vector<Claim> claims(const DataplaneId& id) const;
  // Calls `visit` for each entity that counts, in the order of mesh and name.
  void for_each(const std::function<void(const Claim&)>& visit) const;
  [[nodiscard]] std::size_t services() const { return members_.size(); }
  // Of what streams are served, in all meshes.
  [[nodiscard]] ResourceSet::Stats resource_stats() { return audiences_.stats(); }
  // Over all commits.
  [[nodiscard]] std::uint64_t services_generated() const { return services_generated_; }
  // What is wrong beyond the text of one source, as "PLACE: reason": dataplanes that another source
  // has already, and resources made of a dataplane that are left out because gRPC's clients would
  // refuse them. As of the last commit().
  [[nodiscard]] const std::set<std::string>& problems() const { return problems_; }
  [[nodiscard]] std::size_t refused_for_grpc() const { return grpc_.refused_count(); }
  // Warnings about services as they are now.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  using Claims = std::map<EntitySource, SourcedDataplane>;
  struct PacedTables {
    const Clock& clock;
    NameTables tables{};
    TimePoint next_at{};  // when they may be told
  };

  void put(const EntitySource& source, const DataplaneId& id, const SourcedDataplane& entity);
  void withdraw(const EntitySource& source, const DataplaneId& id);
  // The claim that counts was `before` and now is `after`; either may be null.
  void replace(const Dataplane* before, const Dataplane* after);
  // The same of a hostname generator: any service may get other names.
  void replace_generator(const std::string& name, const Dataplane* after);
  void dirty(const std::vector<ServiceId>& services);
  void join(const Dataplane& dataplane);
  void leave(const Dataplane& dataplane);
  void note_contest(const DataplaneId& id, const Claims& claims);
  // Puts the service's resources as its members make them, or removes them, into `change`.
  void generate(const ServiceId& id, MeshChange& change, CommitStats& stats);
  void take_name_tables(std::map<std::string, MeshChange>& changes);
  void warn(const ServiceId& id, std::vector<std::string> warnings);
  void report_problems();
  [[nodiscard]] std::set<std::string> find_problems() const;
  // Where the first dataplane with an inbound of the service is told of.
  [[nodiscard]] std::string place_of(const ServiceId& id) const;

  std::string default_zone_;
  Logger& logger_;
  // Everyone who says to be this dataplane; the first counts.
  std::map<DataplaneId, Claims> claims_;
  std::size_t dataplanes_ = 0;       // of them
  std::set<DataplaneId> contested_;  // with more than one claim
  // The dataplanes with an inbound of the service. Views of claims_: set before anything is read.
  std::map<ServiceId, std::map<DataplaneId, const Dataplane*>> members_;
  std::set<ServiceId> dirty_services_;
  std::set<DataplaneId> dirty_dataplanes_;
  std::map<ServiceId, std::vector<std::string>> warnings_;
  std::set<std::string> problems_;  // as last reported
  HostnameCatalog hostnames_;
  GrpcCatalog grpc_;
  std::optional<PacedTables> name_tables_;  // nothing: they are not served
  std::optional<EnvoyCatalog> envoy_;       // nothing: no listeners are served
  std::uint64_t services_generated_ = 0;
  Audiences audiences_;
};

}  // namespace meshdns::discovery
