#include "resolver/server/metrics.h"

#include <array>
#include <cstddef>
#include <string>

#include "base/metrics.h"

namespace meshdns::dns {
namespace {

ServerMetrics::AnswerCells answer_cells(MetricRegistry& registry, const std::string& source) {
  constexpr std::array<const char*, ServerMetrics::kRcodeCells> kNames = {
      "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "OTHER"};
  ServerMetrics::AnswerCells cells{};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    cells.at(i) = &registry.counter("meshdns_dns_answers_total",
                                    "Answers sent, by where they came from and rcode.",
                                    {{"source", source}, {"rcode", kNames.at(i)}});
  }
  return cells;
}

ServerMetrics::TypeCells type_cells(MetricRegistry& registry, const std::string& source) {
  constexpr std::array<const char*, ServerMetrics::kTypeCells> kNames = {"A", "AAAA", "OTHER"};
  ServerMetrics::TypeCells cells{};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    cells.at(i) = &registry.counter("meshdns_dns_questions_total",
                                    "Questions that were not dropped, by type and by whose the "
                                    "name is.",
                                    {{"type", kNames.at(i)}, {"source", source}});
  }
  return cells;
}

Counter& queries(MetricRegistry& registry, const std::string& proto) {
  return registry.counter("meshdns_dns_queries_total", "Queries received.", {{"proto", proto}});
}

Counter& dropped(MetricRegistry& registry, const std::string& reason) {
  return registry.counter("meshdns_dns_dropped_total",
                          "Queries that got no answer, or whose answer could not be sent.",
                          {{"reason", reason}});
}

Counter& closed(MetricRegistry& registry, const std::string& reason) {
  return registry.counter("meshdns_tcp_closed_total",
                          "TCP connections of clients that the server closed.",
                          {{"reason", reason}});
}

}  // namespace

ServerMetrics::ServerMetrics(MetricRegistry& registry)
    : udp_queries(queries(registry, "udp")),
      tcp_queries(queries(registry, "tcp")),
      answers{answer_cells(registry, "local"), answer_cells(registry, "cache"),
              answer_cells(registry, "upstream")},
      questions{type_cells(registry, "local"), type_cells(registry, "upstream")},
      answer_seconds(registry.histogram(
          "meshdns_dns_answer_seconds", "Time from a forwarded query to its answer.",
          {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5})),
      refused(registry.counter("meshdns_dns_refused_total",
                               "Queries refused because of the client's address.")),
      dropped_unanswerable(dropped(registry, "unanswerable")),
      dropped_empty(dropped(registry, "empty")),
      dropped_port_zero(dropped(registry, "port_zero")),
      dropped_send_buffer(dropped(registry, "send_buffer")),
      dropped_send_error(dropped(registry, "send_error")),
      tcp_connections(
          registry.gauge("meshdns_tcp_connections", "TCP connections of clients now open.")),
      tcp_accepted(
          registry.counter("meshdns_tcp_accepted_total", "TCP connections of clients accepted.")),
      tcp_refused_limit(closed(registry, "limit")),
      tcp_evicted(closed(registry, "evicted")),
      tcp_timeouts(closed(registry, "timeout")),
      tcp_overflows(closed(registry, "overflow")),
      accept_failures(registry.counter(
          "meshdns_tcp_accept_failures_total",
          "Times that no TCP connection could be accepted for lack of descriptors or memory.")) {}

}  // namespace meshdns::dns
