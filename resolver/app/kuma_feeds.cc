#include "resolver/app/kuma_feeds.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::dns {

void KumaFeeds::subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                          Held held) {
  feed_ = std::make_unique<discovery::KumaFeed>(logger, std::move(on_delta),
                                                held[discovery::KumaFeed::kName]);
  feed_->subscribe(client);
}

discovery::ServiceDelta KumaFeeds::read(const std::string& /*name*/,
                                        const discovery::ResponseView& response) const {
  std::vector<discovery::Rejection> rejections;
  return discovery::KumaFeed::read(response, rejections);
}

}  // namespace meshdns::dns
