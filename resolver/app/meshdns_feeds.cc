#include "resolver/app/meshdns_feeds.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::dns {

MeshdnsFeeds::MeshdnsFeeds(Options options) : options_(std::move(options)) {}

std::vector<std::string> MeshdnsFeeds::names() const {
  std::vector<std::string> names{discovery::MeshFeed::kName};
  if (options_.endpoints) {
    names.emplace_back(discovery::EndpointsFeed::kName);
  }
  return names;
}

void MeshdnsFeeds::subscribe(discovery::AdsClient& client, Logger& /*logger*/, OnDelta on_delta,
                             Held held) {
  services_ = std::make_unique<discovery::MeshFeed>(client, options_.mesh, on_delta,
                                                    std::move(held[discovery::MeshFeed::kName]));
  if (options_.endpoints) {
    endpoints_ = std::make_unique<discovery::EndpointsFeed>(
        client, options_.mesh, std::move(on_delta),
        std::move(held[discovery::EndpointsFeed::kName]));
  }
}

bool MeshdnsFeeds::have_delivered() const {
  return services_ && services_->has_delivered() && (!endpoints_ || endpoints_->has_delivered());
}

discovery::ServiceDelta MeshdnsFeeds::read(const std::string& name,
                                           const discovery::ResponseView& response) const {
  std::vector<discovery::Rejection> rejections;
  return name == discovery::MeshFeed::kName
             ? discovery::MeshFeed::read(response, options_.mesh, rejections)
             : discovery::EndpointsFeed::read(response, options_.mesh, rejections);
}

}  // namespace meshdns::dns
