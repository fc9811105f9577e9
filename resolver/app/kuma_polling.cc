#include "resolver/app/kuma_polling.h"

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_poller.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/feeds/metrics.h"
#include "discovery/xds/held_versions.h"
#include "resolver/app/control_loop.h"

namespace meshdns::dns {

KumaPolling::KumaPolling(discovery::KumaPoller::Options options, ControlLoop& loop,
                         const Clock& clock, Logger& logger, discovery::KumaPollMetrics& metrics,
                         discovery::KumaFeed::OnDelta on_delta)
    : options_(std::move(options)),
      clock_(clock),
      logger_(logger),
      metrics_(metrics),
      on_delta_(std::move(on_delta)),
      socket_(loop.io(), {.path = options_.path}),
      timer_(loop, clock, [this] { ask(); }) {}

void KumaPolling::start(std::map<std::string, discovery::HeldVersions> held) {
  feed_ =
      std::make_unique<discovery::KumaFeed>(logger_, on_delta_, held[discovery::KumaFeed::kName]);
  poller_ = std::make_unique<discovery::KumaPoller>(options_, std::random_device{}(), *feed_,
                                                    logger_, metrics_);
  ask();
}

void KumaPolling::stop() {
  timer_.set(std::nullopt);
  socket_.cancel();
}

std::string KumaPolling::state() const {
  return poller_ ? poller_->state() : "not connected to " + options_.path;
}

void KumaPolling::ask() {
  socket_.ask(poller_->etag(), [this](const Result<discovery::KumaAnswer>& answer) {
    timer_.set(clock_.now() + poller_->take(answer));
  });
}

}  // namespace meshdns::dns
