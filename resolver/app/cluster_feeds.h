// The feeds of a control plane that knows clusters and endpoints and nothing of us: any xDS server,
// such as those made with go-control-plane.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/cluster_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/control_plane_feeds.h"

namespace meshdns::dns {

class ClusterFeeds final : public ControlPlaneFeeds {
 public:
  explicit ClusterFeeds(discovery::ClusterFeed::Options options);

  [[nodiscard]] std::vector<std::string> names() const override;
  void subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                 Held held) override;
  [[nodiscard]] bool have_delivered() const override { return feed_ && feed_->has_delivered(); }
  [[nodiscard]] discovery::ServiceDelta read(
      const std::string& name, const discovery::ResponseView& response) const override;

 private:
  discovery::ClusterFeed::Options options_;
  std::unique_ptr<discovery::ClusterFeed> feed_;
};

}  // namespace meshdns::dns
