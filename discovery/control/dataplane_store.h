// Every Dataplane of every file, and the resources made of them: what changes in a file changes
// exactly the services it touches.
//
// Belongs to the control thread; the ResourceSets it fills are shared with the server.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "discovery/dataplane.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

// A Dataplane and where it is written.
struct SourcedDataplane {
  Dataplane dataplane;
  int line = 0;
};

class DataplaneStore {
 public:
  DataplaneStore(std::string default_zone, Logger& logger);

  // Makes these the entities of `file`; none removes it. An entity that another file, or an earlier
  // place of this one, already has is reported and left out until that one goes. Takes effect at
  // commit().
  void set_file(const std::string& file, std::vector<SourcedDataplane> entities);
  // Regenerates what the changes touched and puts it into the resource sets, one commit a mesh.
  void commit();

  // The resources of a mesh; an empty set for one that has nothing yet. Thread-safe.
  [[nodiscard]] std::shared_ptr<ResourceSet> resources(const std::string& mesh);

  [[nodiscard]] std::size_t dataplanes() const { return dataplanes_.size(); }
  [[nodiscard]] std::size_t services() const { return members_.size(); }
  // Duplicates of now, as "file:line: reason".
  [[nodiscard]] std::vector<std::string> problems() const;
  // Warnings about services that the last commit() made, once each.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  using Key = std::pair<std::string, std::string>;  // mesh, name
  struct Place {
    std::string file;
    int line = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  void add(const Place& place, const Dataplane& dataplane);
  void remove(const Place& place, const Key& key);
  void mark(const Dataplane& dataplane, bool is_member);

  std::string default_zone_;
  Logger& logger_;
  std::map<std::string, std::vector<SourcedDataplane>> files_;
  // Everyone who says to be this dataplane; the first place counts.
  std::map<Key, std::map<Place, const Dataplane*>> claims_;
  std::map<Key, const Dataplane*> dataplanes_;
  std::map<ServiceId, std::set<Key>> members_;  // the dataplanes with an inbound of the service
  std::set<ServiceId> dirty_services_;
  std::set<Key> dirty_dataplanes_;
  std::vector<std::string> warnings_;

  std::mutex mutex_;  // guards resources_
  std::map<std::string, std::shared_ptr<ResourceSet>> resources_;
};

}  // namespace meshdns::discovery
