// The one feed of a Kuma control plane, whose table has services, records and addresses in one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/control_plane_feeds.h"

namespace meshdns::dns {

class KumaFeeds final : public ControlPlaneFeeds {
 public:
  [[nodiscard]] std::vector<std::string> names() const override {
    return {discovery::KumaFeed::kName};
  }
  void subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                 Held held) override;
  [[nodiscard]] bool have_delivered() const override { return feed_ && feed_->has_delivered(); }
  [[nodiscard]] discovery::ServiceDelta read(
      const std::string& name, const discovery::ResponseView& response) const override;
  [[nodiscard]] const discovery::KumaFeed* kuma_feed() const override { return feed_.get(); }

 private:
  std::unique_ptr<discovery::KumaFeed> feed_;
};

}  // namespace meshdns::dns
