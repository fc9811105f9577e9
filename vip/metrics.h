// The metrics of vip/.
#pragma once

#include "base/metrics.h"

namespace meshdns::vip {

struct VipMetrics {
  explicit VipMetrics(MetricRegistry& registry)
      : active(leases(registry, "active")),
        released(leases(registry, "released")),
        pending(leases(registry, "pending")),
        exhausted(registry.gauge("meshdns_vip_exhausted",
                                 "1 while a pool has no address left for a service.")),
        degraded(registry.gauge("meshdns_vip_state_degraded",
                                "1 while leases are not written to disk.")),
        journal_bytes(registry.gauge("meshdns_vip_journal_bytes", "Size of the lease journal.")),
        journal_syncs(
            registry.counter("meshdns_vip_journal_syncs_total", "Batches of leases made durable.")),
        journal_errors(registry.counter("meshdns_vip_journal_errors_total",
                                        "Batches of leases that could not be written.")),
        journal_damages(registry.counter("meshdns_vip_journal_damages_total",
                                         "Damaged stretches found in the journal at start.")) {}

  Gauge& active;
  Gauge& released;
  Gauge& pending;
  Gauge& exhausted;
  Gauge& degraded;
  Gauge& journal_bytes;
  Counter& journal_syncs;
  Counter& journal_errors;
  Counter& journal_damages;

 private:
  static Gauge& leases(MetricRegistry& registry, const char* state) {
    return registry.gauge("meshdns_vip_leases", "Leases by state.", {{"state", state}});
  }
};

}  // namespace meshdns::vip
