// A kuma-dp on this host as the source of the table, asked over its socket again and again:
// KumaSocket, KumaPoller and the time in between.
//
// Control thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_poller.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/feeds/metrics.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/table_source.h"

namespace meshdns::dns {

class KumaPolling final : public TableSource {
 public:
  // References outlive it.
  KumaPolling(discovery::KumaPoller::Options options, ControlLoop& loop, const Clock& clock,
              Logger& logger, discovery::KumaPollMetrics& metrics,
              discovery::KumaFeed::OnDelta on_delta);
  KumaPolling(const KumaPolling&) = delete;
  KumaPolling& operator=(const KumaPolling&) = delete;
  ~KumaPolling() override = default;

  // Asks at once. Never fails: a socket that is not there is asked for ever.
  void start(std::map<std::string, discovery::HeldVersions> held) override;
  void stop() override;

  [[nodiscard]] bool is_connected() const override { return poller_ && poller_->is_connected(); }
  [[nodiscard]] std::vector<std::string> feeds() const override {
    return {discovery::KumaFeed::kName};
  }
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::string what() const override { return "control plane"; }
  [[nodiscard]] const discovery::KumaFeed* kuma_feed() const override { return feed_.get(); }

 private:
  void ask();

  discovery::KumaPoller::Options options_;
  const Clock& clock_;
  Logger& logger_;
  discovery::KumaPollMetrics& metrics_;
  discovery::KumaFeed::OnDelta on_delta_;
  std::unique_ptr<discovery::KumaFeed> feed_;      // from start() on
  std::unique_ptr<discovery::KumaPoller> poller_;  // as well
  discovery::KumaSocket socket_;
  WakeTimer timer_;
};

}  // namespace meshdns::dns
