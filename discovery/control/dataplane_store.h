// Every Dataplane of every file, and the resources made of them: what changes in a file changes
// exactly the services it touches.
//
// Belongs to the control thread, but for resources(), which any thread may call; the ResourceSets
// are shared with the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "discovery/control/audiences.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/grpc_catalog.h"
#include "discovery/control/mesh_change.h"
#include "discovery/dataplane.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

class DataplaneStore {
 public:
  // `default_zone` is the zone of inbounds that name none. `logger` outlives the store.
  DataplaneStore(std::string default_zone, Logger& logger);

  // Takes what changed in `file` since the last time. Where files tell of the same dataplane, the
  // first in order of file names counts, and the others stand in when it goes. Takes effect at
  // commit().
  void change_file(const std::string& file, const DataplaneChange& change);

  struct CommitStats {
    std::size_t services_generated = 0;
    std::size_t services_removed = 0;
  };
  // Generates anew what the changes touched and puts it into the resource sets, one commit a mesh.
  CommitStats commit();

  // The resources of a mesh; an empty set, to be filled, for one that has nothing yet. Thread-safe.
  // kExhausted when clients wait for too many meshes that do not exist.
  [[nodiscard]] Result<std::shared_ptr<ResourceSet>> resources(const std::string& mesh) {
    return audiences_.find_or_await(mesh);
  }

  [[nodiscard]] std::size_t dataplanes() const { return claims_.size(); }
  [[nodiscard]] std::size_t services() const { return members_.size(); }
  // Over all commits.
  [[nodiscard]] std::uint64_t services_generated() const { return services_generated_; }
  // What is wrong beyond the text of one file.
  struct FileProblem {
    std::string file;
    YamlProblem problem;
  };
  // Dataplanes of `file` that another one has already, and resources made of a dataplane of `file`
  // that are left out because gRPC's clients would refuse them.
  [[nodiscard]] std::vector<FileProblem> problems() const;
  [[nodiscard]] std::size_t refused_for_grpc() const { return grpc_.refused_count(); }
  // Warnings about services as they are now.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  using Claims = std::map<std::string, SourcedDataplane>;  // by file name

  void put(const std::string& file, const DataplaneId& id, const SourcedDataplane& entity);
  void withdraw(const std::string& file, const DataplaneId& id);
  // The claim that counts was `before` and now is `after`; either may be null.
  void replace(const Dataplane* before, const Dataplane* after);
  void join(const Dataplane& dataplane);
  void leave(const Dataplane& dataplane);
  void note_contest(const DataplaneId& id, const Claims& claims);
  // Puts the service's resources as its members make them, or removes them, into `change`.
  void generate(const ServiceId& id, MeshChange& change, CommitStats& stats);
  void warn(const ServiceId& id, std::vector<std::string> warnings);
  // Where the first dataplane with an inbound of the service is told of.
  [[nodiscard]] FileProblem place_of(const ServiceId& id) const;

  std::string default_zone_;
  Logger& logger_;
  // Everyone who says to be this dataplane; the first counts.
  std::map<DataplaneId, Claims> claims_;
  std::set<DataplaneId> contested_;  // with more than one claim
  // The dataplanes with an inbound of the service. Views of claims_: set before anything is read.
  std::map<ServiceId, std::map<DataplaneId, const Dataplane*>> members_;
  std::set<ServiceId> dirty_services_;
  std::set<DataplaneId> dirty_dataplanes_;
  std::map<ServiceId, std::vector<std::string>> warnings_;
  GrpcCatalog grpc_;
  std::uint64_t services_generated_ = 0;
  Audiences audiences_;
};

}  // namespace meshdns::discovery
