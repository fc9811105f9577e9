// KumaMetrics: what is counted anyway under the names that kuma-dp gives it, for dashboards that
// are there.
//
// Control thread. As in kuma-dp they begin with the first table, whose labels they all have from
// then on.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/metrics.h"
#include "resolver/server/metrics.h"

namespace meshdns::dns {

class KumaMetrics {
 public:
  // `waited`: from the start to the first table. References outlive it.
  KumaMetrics(MetricRegistry& registry, const ServerMetrics& server,
              const std::map<std::string, std::string>& labels,
              std::chrono::duration<double> waited);

  // Before they are read. `names`: in the table.
  void update(std::size_t names);

 private:
  // Makes a counter what it counts.
  class Total {
   public:
    explicit Total(Counter& counter) : counter_(counter) {}
    void set(std::uint64_t total) { counter_.add(total - counter_.value()); }

   private:
    Counter& counter_;
  };

  [[nodiscard]] std::uint64_t answers(std::size_t rcode_cell) const;

  const ServerMetrics& server_;
  std::array<std::array<Total, ServerMetrics::kTypeCells>, 2> questions_;  // as the server's
  Total no_error_;
  Total no_name_;
  Total failed_;
  Total other_;
  Total upstream_failures_;
  Gauge& entries_;
  Histogram& upstream_seconds_;
};

}  // namespace meshdns::dns
