#include "resolver/app/istio_feeds.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/istio_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::dns {

void IstioFeeds::subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                           Held held) {
  feed_ = std::make_unique<discovery::IstioFeed>(logger, scope_, std::move(on_delta),
                                                 std::move(held[discovery::IstioFeed::kName]));
  feed_->subscribe(client);
}

discovery::ServiceDelta IstioFeeds::read(const std::string& /*name*/,
                                         const discovery::ResponseView& response) const {
  std::vector<discovery::Rejection> rejections;
  return discovery::IstioFeed::read(response, rejections);
}

}  // namespace meshdns::dns
