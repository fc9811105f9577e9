#include "resolver/app/kuma_polling.h"

#include <optional>
#include <random>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_poller.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/feeds/metrics.h"
#include "resolver/app/control_loop.h"

namespace meshdns::dns {

KumaPolling::KumaPolling(const discovery::KumaPoller::Options& options, discovery::KumaFeed& feed,
                         ControlLoop& loop, const Clock& clock, Logger& logger,
                         discovery::KumaPollMetrics& metrics)
    : clock_(clock),
      poller_(options, std::random_device{}(), feed, logger, metrics),
      socket_(loop.io(), {.path = options.path}),
      timer_(loop, clock, [this] { ask(); }) {}

void KumaPolling::start() { ask(); }

void KumaPolling::stop() {
  timer_.set(std::nullopt);
  socket_.cancel();
}

void KumaPolling::ask() {
  socket_.ask(poller_.etag(), [this](const Result<discovery::KumaAnswer>& answer) {
    timer_.set(clock_.now() + poller_.take(answer));
  });
}

}  // namespace meshdns::dns
