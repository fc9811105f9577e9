// What the resolver counts about questions that wait for upstream servers. Thread-safe.
#pragma once

#include "base/metrics.h"

namespace meshdns::dns {

struct ResolveMetrics {
  explicit ResolveMetrics(MetricRegistry& registry);

  Counter& joined;   // waited for an equal question on its way
  Counter& refused;  // over the limits
};

}  // namespace meshdns::dns
