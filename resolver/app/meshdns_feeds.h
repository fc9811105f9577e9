// The feeds of our own control plane: the services of a mesh, and their endpoints where somebody
// needs them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/control_plane_feeds.h"

namespace meshdns::dns {

class MeshdnsFeeds final : public ControlPlaneFeeds {
 public:
  struct Options {
    std::string mesh;
    bool endpoints = false;  // whether they are asked for
  };

  explicit MeshdnsFeeds(Options options);

  [[nodiscard]] std::vector<std::string> names() const override;
  void subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                 Held held) override;
  [[nodiscard]] bool have_delivered() const override;
  [[nodiscard]] discovery::ServiceDelta read(
      const std::string& name, const discovery::ResponseView& response) const override;

 private:
  Options options_;
  std::unique_ptr<discovery::MeshFeed> services_;
  std::unique_ptr<discovery::EndpointsFeed> endpoints_;
};

}  // namespace meshdns::dns
