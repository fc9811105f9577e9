// KumaPolling: asks a kuma-dp's socket for the table again and again: KumaSocket, KumaPoller and
// the time in between.
//
// Control thread.
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_poller.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/feeds/metrics.h"
#include "resolver/app/control_loop.h"

namespace meshdns::dns {

class KumaPolling {
 public:
  // References outlive it.
  KumaPolling(const discovery::KumaPoller::Options& options, discovery::KumaFeed& feed,
              ControlLoop& loop, const Clock& clock, Logger& logger,
              discovery::KumaPollMetrics& metrics);

  // Asks at once. Never fails: a socket that is not there is asked for ever.
  void start();
  // Nothing reaches the feed any more.
  void stop();

  [[nodiscard]] const discovery::KumaPoller& poller() const { return poller_; }

 private:
  void ask();

  const Clock& clock_;
  discovery::KumaPoller poller_;
  discovery::KumaSocket socket_;
  WakeTimer timer_;
};

}  // namespace meshdns::dns
