// ClusterEndpoints: where clusters are served. Asks for the ClusterLoadAssignments of those
// clusters that have them by name, and tells each as the endpoints of every cluster that goes by
// it.
//
// Belongs to the control thread. What a bad assignment held before stays in use, and so does what a
// cluster had when it changes to another assignment, until that one is there. In state of the world
// nobody says that an assignment is gone: it goes with its clusters. One that a delta says is gone
// leaves its clusters without known endpoints, which is not the same as with none. One that many
// clusters go by is held once for each: there is a bound to that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "discovery/feeds/cluster.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::discovery {

class ClusterEndpoints {
 public:
  static constexpr const char* kName = EndpointsFeed::kName;
  // Endpoints that are told of more clusters than one, counted for each but the first.
  static constexpr std::size_t kMaxShared = 1'000'000;
  using OnDelta = std::function<void(ServiceDelta)>;
  // Clusters, and the name of the assignment of each.
  using Assignments = std::map<std::string, std::string>;

  // `kept`: the clusters of an earlier process, and `held` the versions of the assignments that
  // whoever gets the deltas still has for all clusters that go by them. The object outlives the
  // client's callbacks.
  ClusterEndpoints(AdsClient& client, std::string mesh, OnDelta on_delta, const Assignments& kept,
                   HeldVersions held);
  ClusterEndpoints(const ClusterEndpoints&) = delete;
  ClusterEndpoints& operator=(const ClusterEndpoints&) = delete;
  ~ClusterEndpoints() = default;

  // Before a change of clusters is told: the endpoints that they bring along.
  void tell_brought(const std::vector<Cluster>& changed);
  // After it was told: asks for what is needed now.
  void follow(const std::vector<Cluster>& changed, const std::vector<std::string>& gone);

  // What a log on disk says: each resource is a ClusterLoadAssignment of the service that it is
  // called by. Told as accepted with HeldAssignment's text as its version.
  [[nodiscard]] static ServiceDelta read(const ResponseView& log,
                                         std::vector<Rejection>& rejections);

  // Whether what was asked for at first has come.
  [[nodiscard]] bool has_delivered() const { return has_delivered_; }

 private:
  struct Asked {
    std::set<std::string> clusters;     // that go by it
    std::set<std::string> left_out;     // likewise, and are no services
    std::optional<std::size_t> digest;  // of what was told; nothing: that is not known
    std::size_t shared = 0;             // of its endpoints, as kMaxShared counts them
  };
  enum class Membership : std::uint8_t { kService, kLeftOut };

  void join(const std::string& cluster, const std::string& assignment, Membership membership);
  void leave(const std::string& cluster);
  void ask();
  std::vector<Rejection> on_response(const ResponseView& response);
  // The reason when it was refused; else empty.
  [[nodiscard]] std::string take(const ResponseItem& item, ServiceDelta& delta);
  void set_shared(Asked& asked, std::size_t shared);
  void tell(ServiceDelta delta);
  [[nodiscard]] ServiceId id_of(const std::string& cluster) const { return {mesh_, cluster}; }

  AdsClient& client_;
  std::string mesh_;
  OnDelta on_delta_;
  bool has_delivered_ = false;
  Assignments of_cluster_;
  std::map<std::string, Asked> asked_;
  std::size_t shared_ = 0;         // of all of them
  std::set<std::string> awaited_;  // of those, for services: neither told nor said to be gone
  // Until ask(): what is new in asked_, what is to be told once more, what may be of no use.
  std::set<std::string> new_;
  std::set<std::string> ask_again_;
  std::set<std::string> left_;
};

}  // namespace meshdns::discovery
