// The feeds of one kind of control plane: which there are, what they ask it for, and what a log on
// disk says of them. A new kind is a new class beside MeshdnsFeeds and KumaFeeds.
//
// Control thread, save for read().
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::dns {

class ControlPlaneFeeds {
 public:
  using OnDelta = std::function<void(const discovery::ServiceDelta&)>;
  // What feeds have from before, by their names.
  using Held = std::map<std::string, discovery::HeldVersions>;

  ControlPlaneFeeds() = default;
  ControlPlaneFeeds(const ControlPlaneFeeds&) = delete;
  ControlPlaneFeeds& operator=(const ControlPlaneFeeds&) = delete;
  virtual ~ControlPlaneFeeds() = default;

  // Their names; the first tells which services and records there are.
  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  // Once. They outlive the client's callbacks; `logger` outlives them.
  virtual void subscribe(discovery::AdsClient& client, Logger& logger, OnDelta on_delta,
                         Held held) = 0;
  // Whether each of them has delivered once.
  [[nodiscard]] virtual bool have_delivered() const = 0;
  // What a log on disk says of the feed `name`; what cannot be taken any more is left out. From any
  // thread: it depends on nothing but what the feeds were made of.
  [[nodiscard]] virtual discovery::ServiceDelta read(
      const std::string& name, const discovery::ResponseView& response) const = 0;

  // Null where the control plane is not Kuma's, or not asked yet.
  [[nodiscard]] virtual const discovery::KumaFeed* kuma_feed() const { return nullptr; }
};

}  // namespace meshdns::dns
