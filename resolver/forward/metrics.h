// The forwarder's metrics.
#pragma once

#include "base/metrics.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

// Cells of one upstream server. Thread-safe.
struct UpstreamMetrics {
  Counter& queries;         // questions sent, each attempt counts
  Counter& timeouts;        // attempts without an answer in time
  Counter& network_errors;  // attempts that a socket error ended, e.g. ICMP port unreachable
  Counter& failures;        // SERVFAIL, REFUSED and the like, and replies that do not parse
  Counter& plain_retries;   // asked again without EDNS
  Counter& case_retries;    // asked again in lower case
  Counter& mismatches;      // datagrams that answer no open question: strays or forgeries
  Counter& loops;           // times it was found to lead back to us
  Counter& silences;        // connections given up because nothing came
};

// Outlives whoever uses it; owns nothing but names.
class ForwardMetrics {
 public:
  explicit ForwardMetrics(MetricRegistry& registry) : registry_(registry) {}

  // The cells of `server`; the same ones for the same label. Any thread, not per question.
  [[nodiscard]] UpstreamMetrics upstream(const UpstreamServer& server);

 private:
  MetricRegistry& registry_;
};

}  // namespace meshdns::dns
