#include "discovery/feeds/metrics.h"

#include <string>

#include "base/metrics.h"

namespace meshdns::discovery {
namespace {

Counter& polls(MetricRegistry& registry, const std::string& result) {
  return registry.counter("meshdns_kuma_polls_total",
                          "Times that kuma-dp's socket was asked for the table, by the answer.",
                          {{"result", result}});
}

}  // namespace

KumaPollMetrics::KumaPollMetrics(MetricRegistry& registry)
    : connected(registry.gauge("meshdns_kuma_socket_connected",
                               "1 while kuma-dp's socket answers, else 0.")),
      changed(polls(registry, "changed")),
      unchanged(polls(registry, "unchanged")),
      none(polls(registry, "none")),
      failed(polls(registry, "failed")) {}

}  // namespace meshdns::discovery
