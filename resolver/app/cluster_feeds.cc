#include "resolver/app/cluster_feeds.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/cluster_endpoints.h"
#include "discovery/feeds/cluster_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::dns {

using discovery::ClusterEndpoints;
using discovery::ClusterFeed;

ClusterFeeds::ClusterFeeds(ClusterFeed::Options options) : options_(std::move(options)) {}

std::vector<std::string> ClusterFeeds::names() const {
  std::vector<std::string> names{ClusterFeed::kName};
  if (options_.endpoints) {
    names.emplace_back(ClusterEndpoints::kName);
  }
  return names;
}

void ClusterFeeds::subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                             Held held) {
  feed_ = std::make_unique<ClusterFeed>(
      client, logger, options_, std::move(on_delta),
      ClusterFeed::Held{.clusters = std::move(held[ClusterFeed::kName]),
                        .endpoints = std::move(held[ClusterEndpoints::kName])});
}

discovery::ServiceDelta ClusterFeeds::read(const std::string& name,
                                           const discovery::ResponseView& response) const {
  std::vector<discovery::Rejection> rejections;
  return name == ClusterFeed::kName ? ClusterFeed::read(response, options_.naming, rejections)
                                    : ClusterEndpoints::read(response, rejections);
}

}  // namespace meshdns::dns
