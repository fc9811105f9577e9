// The one feed of an Istio control plane, whose name table has names and addresses in one.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/istio_feed.h"
#include "discovery/feeds/name_table.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/control_plane_feeds.h"

namespace meshdns::dns {

class IstioFeeds final : public ControlPlaneFeeds {
 public:
  explicit IstioFeeds(discovery::NameTableScope scope) : scope_(std::move(scope)) {}

  [[nodiscard]] std::vector<std::string> names() const override {
    return {discovery::IstioFeed::kName};
  }
  void subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                 Held held) override;
  [[nodiscard]] bool have_delivered() const override { return feed_ && feed_->has_delivered(); }
  [[nodiscard]] discovery::ServiceDelta read(
      const std::string& name, const discovery::ResponseView& response) const override;

 private:
  discovery::NameTableScope scope_;
  std::unique_ptr<discovery::IstioFeed> feed_;
};

}  // namespace meshdns::dns
