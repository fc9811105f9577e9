// The metrics of the feeds. Cells may be touched from any thread.
#pragma once

#include "base/metrics.h"

namespace meshdns::discovery {

struct KumaPollMetrics {
  explicit KumaPollMetrics(MetricRegistry& registry);

  Gauge& connected;
  // Each question to the socket is one of these.
  Counter& changed;
  Counter& unchanged;
  Counter& none;    // there is no table
  Counter& failed;  // no answer, or a table that cannot be read
};

}  // namespace meshdns::discovery
