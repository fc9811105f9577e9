// The metrics of both ends of xDS. Cells may be touched from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "base/metrics.h"

namespace meshdns::discovery {

// One cell per type we know and one for the rest, so that a peer cannot make labels.
class TypeCounters {
 public:
  TypeCounters(MetricRegistry& registry, std::string_view name, std::string_view help,
               const MetricLabels& labels = {});

  [[nodiscard]] Counter& of(std::string_view type_url) const;

 private:
  std::array<Counter*, 7> cells_{};
};

struct XdsServerMetrics {
  explicit XdsServerMetrics(MetricRegistry& registry);

  Gauge& streams;
  Counter& streams_opened;
  Counter& streams_refused;
  Counter& response_bytes;
  TypeCounters responses;
  TypeCounters acks;
  TypeCounters nacks;
};

struct XdsClientMetrics {
  explicit XdsClientMetrics(MetricRegistry& registry);

  Gauge& connected;
  Counter& connection_attempts;
  Counter& response_bytes;
  TypeCounters acks;   // responses taken whole
  TypeCounters nacks;  // responses with at least one bad resource
  TypeCounters rejected_resources;
};

}  // namespace meshdns::discovery
