#include "resolver/resolve/metrics.h"

#include "base/metrics.h"

namespace meshdns::dns {

ResolveMetrics::ResolveMetrics(MetricRegistry& registry)
    : joined(registry.counter("meshdns_forward_joined_total",
                              "Questions that waited for an equal one on its way upstream.")),
      refused(registry.counter(
          "meshdns_forward_refused_total",
          "Questions refused because too many were waiting for upstream servers.")) {}

}  // namespace meshdns::dns
