#include "discovery/xds/metrics.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/metrics.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kOtherTypes = "";
// By type_order().
constexpr std::array<std::string_view, 7> kTypes = {kClusterTypeUrl,  kClusterLoadAssignmentTypeUrl,
                                                    kListenerTypeUrl, kRouteTypeUrl,
                                                    kServiceTypeUrl,  kDataplaneTypeUrl,
                                                    kOtherTypes};

MetricLabels with(const MetricLabels& labels, std::string key, std::string value) {
  MetricLabels all = labels;
  all.emplace_back(std::move(key), std::move(value));
  return all;
}

}  // namespace

TypeCounters::TypeCounters(MetricRegistry& registry, std::string_view name, std::string_view help,
                           const MetricLabels& labels) {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const std::string label(type_label(kTypes.at(i)));
    cells_.at(i) = &registry.counter(name, help, with(labels, "type", label));
  }
}

Counter& TypeCounters::of(std::string_view type_url) const {
  return *cells_.at(static_cast<std::size_t>(type_order(type_url)));
}

XdsServerMetrics::XdsServerMetrics(MetricRegistry& registry)
    : streams(registry.gauge("meshdns_xds_server_streams", "Open xDS streams")),
      streams_opened(registry.counter("meshdns_xds_server_streams_total", "xDS streams opened")),
      streams_refused(registry.counter("meshdns_xds_server_refused_streams_total",
                                       "xDS streams ended for a limit, a bad request or a node "
                                       "that has no audience")),
      response_bytes(
          registry.counter("meshdns_xds_server_response_bytes_total", "Bytes of xDS responses")),
      responses(registry, "meshdns_xds_server_responses_total", "xDS responses sent"),
      acks(registry, "meshdns_xds_server_acks_total", "Verdicts of clients on xDS responses",
           {{"result", "ack"}}),
      nacks(registry, "meshdns_xds_server_acks_total", "Verdicts of clients on xDS responses",
            {{"result", "nack"}}) {}

XdsClientMetrics::XdsClientMetrics(MetricRegistry& registry)
    : connected(registry.gauge("meshdns_xds_connected",
                               "1 while the control plane's stream has delivered, else 0")),
      connection_attempts(registry.counter("meshdns_xds_connection_attempts_total",
                                           "Streams to a control plane begun")),
      response_bytes(
          registry.counter("meshdns_xds_response_bytes_total", "Bytes of xDS responses received")),
      acks(registry, "meshdns_xds_responses_total", "xDS responses received", {{"result", "ack"}}),
      nacks(registry, "meshdns_xds_responses_total", "xDS responses received",
            {{"result", "nack"}}),
      rejected_resources(registry, "meshdns_xds_rejected_resources_total",
                         "Resources refused, whose last good form stays in use") {}

}  // namespace meshdns::discovery
