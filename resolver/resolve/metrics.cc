#include "resolver/resolve/metrics.h"

#include <string>

#include "base/metrics.h"

namespace meshdns::dns {
namespace {

Counter& look_ups(MetricRegistry& registry, const std::string& result) {
  return registry.counter("meshdns_cache_lookups_total",
                          "Questions for names of others, by what the cache had.",
                          {{"result", result}});
}

}  // namespace

ResolveMetrics::ResolveMetrics(MetricRegistry& registry)
    : joined(registry.counter("meshdns_forward_joined_total",
                              "Questions that waited for an equal one on its way upstream.")),
      refused(registry.counter(
          "meshdns_forward_refused_total",
          "Questions refused because too many were waiting for upstream servers.")),
      cache_hits(look_ups(registry, "hit")),
      cache_stale(look_ups(registry, "stale")),
      cache_failures(look_ups(registry, "failure")),
      cache_misses(look_ups(registry, "miss")),
      cache_refreshes(registry.counter("meshdns_cache_refreshes_total",
                                       "Popular answers asked for anew before their end.")) {}

}  // namespace meshdns::dns
