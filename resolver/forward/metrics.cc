#include "resolver/forward/metrics.h"

#include "base/metrics.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

UpstreamMetrics ForwardMetrics::upstream(const UpstreamServer& server) {
  const MetricLabels labels = {{"upstream", server.label()}};
  return {
      .queries = registry_.counter("meshdns_forward_queries_total",
                                   "Questions sent to an upstream server.", labels),
      .timeouts = registry_.counter("meshdns_forward_timeouts_total",
                                    "Questions an upstream server did not answer in time.", labels),
      .network_errors =
          registry_.counter("meshdns_forward_network_errors_total",
                            "Questions that a socket error kept from an upstream server.", labels),
      .failures = registry_.counter(
          "meshdns_forward_failures_total",
          "Questions an upstream server answered with an error such as SERVFAIL or REFUSED, or "
          "with a message that does not parse.",
          labels),
      .plain_retries = registry_.counter(
          "meshdns_forward_plain_retries_total",
          "Questions asked again without EDNS, which the server refused.", labels),
      .case_retries = registry_.counter(
          "meshdns_forward_case_retries_total",
          "Questions asked again in lower case, because the server did not repeat their case.",
          labels),
      .mismatches = registry_.counter(
          "meshdns_forward_mismatches_total",
          "Datagrams from an upstream server's address that answer no open question.", labels),
      .loops = registry_.counter(
          "meshdns_forward_loops_total",
          "Times an upstream server was found to lead back to this resolver.", labels),
      .silences = registry_.counter(
          "meshdns_forward_silent_connections_total",
          "Connections to an upstream server given up because nothing came over them.", labels),
  };
}

}  // namespace meshdns::dns
