// ClusterFeed: the clusters of any xDS control plane as services. Each Cluster becomes a Service,
// whose address is given here, or a rejection; some name no service (decode_cluster) and are left
// out.
//
// Belongs to the control thread. What a bad cluster held before stays in use. In state of the world
// all clusters are told at each change: what has the same octets as before is not looked into.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/cluster.h"
#include "discovery/feeds/cluster_endpoints.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::discovery {

class ClusterFeed {
 public:
  static constexpr const char* kName = "clusters";
  using OnDelta = std::function<void(ServiceDelta)>;
  struct Options {
    ClusterNaming naming;
    bool endpoints = false;  // whether somebody needs them: ClusterEndpoints tells them then
  };
  // What read() and ClusterEndpoints::read() accepted of an earlier process, and whoever gets the
  // deltas still has.
  struct Held {
    HeldVersions clusters = {};
    HeldVersions endpoints = {};
  };

  // Subscribes to every cluster. `logger` outlives the feed, and the feed the client's callbacks.
  ClusterFeed(AdsClient& client, Logger& logger, Options options, const OnDelta& on_delta,
              const Held& held);
  ClusterFeed(const ClusterFeed&) = delete;
  ClusterFeed& operator=(const ClusterFeed&) = delete;
  ~ClusterFeed() = default;

  // What a log on disk says: each resource is a Cluster, called as its service is. Told as accepted
  // with HeldAssignment's text as its version.
  [[nodiscard]] static ServiceDelta read(const ResponseView& log, const ClusterNaming& naming,
                                         std::vector<Rejection>& rejections);

  // Whether first responses have come, of endpoints too where they are asked for.
  [[nodiscard]] bool has_delivered() const {
    return has_delivered_ && (!endpoints_ || endpoints_->has_delivered());
  }

 private:
  struct Known {
    std::optional<std::size_t> digest;  // of its octets; nothing: of an earlier process
    bool is_service = true;
  };
  // One response.
  struct Round {
    ServiceDelta delta;
    std::vector<Cluster> changed;  // those that are left out, too
    std::vector<std::string> gone;
    std::vector<std::string> left_out;  // why
  };

  std::vector<Rejection> on_response(const ResponseView& response);
  // The reason when it was refused; else empty.
  [[nodiscard]] std::string take(const ResponseItem& item, Round& round);
  void remove(const std::string& name, Round& round);
  void remove_unlisted(const ResponseView& response, Round& round);

  Logger& logger_;
  Options options_;
  OnDelta on_delta_;
  bool has_delivered_ = false;
  std::map<std::string, Known> known_;
  std::unique_ptr<ClusterEndpoints> endpoints_;
};

}  // namespace meshdns::discovery
