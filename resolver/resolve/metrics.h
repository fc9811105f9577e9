// What the resolver counts about questions that wait for upstream servers. Thread-safe.
#pragma once

#include "base/metrics.h"

namespace meshdns::dns {

struct ResolveMetrics {
  explicit ResolveMetrics(MetricRegistry& registry);

  Counter& joined;   // waited for an equal question on its way
  Counter& refused;  // over the limits

  Counter& cache_hits;       // answered with what is fresh
  Counter& cache_stale;      // with what is stale, upstream giving no answer
  Counter& cache_failures;   // with a failure of a moment ago
  Counter& cache_misses;     // upstream was asked
  Counter& cache_refreshes;  // of popular answers near their end
};

}  // namespace meshdns::dns
