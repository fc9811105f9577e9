#include "resolver/app/kuma_metrics.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/metrics.h"
#include "resolver/server/metrics.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

MetricLabels join(const std::map<std::string, std::string>& labels, MetricLabels more = {}) {
  for (const auto& [key, value] : labels) {
    more.emplace_back(key, value);
  }
  return more;
}

Counter& queries(MetricRegistry& registry, const std::map<std::string, std::string>& labels,
                 const std::string& qtype, const std::string& source) {
  return registry.counter("kuma_dp_dns_queries_total",
                          "Queries, by type and by where the answer comes from.",
                          join(labels, {{"qtype", qtype}, {"source", source}}));
}

Counter& responses(MetricRegistry& registry, const std::map<std::string, std::string>& labels,
                   const std::string& rcode) {
  return registry.counter("kuma_dp_dns_response_codes_total", "Responses, by rcode.",
                          join(labels, {{"rcode", rcode}}));
}

}  // namespace

KumaMetrics::KumaMetrics(MetricRegistry& registry, const ServerMetrics& server,
                         const std::map<std::string, std::string>& labels,
                         std::chrono::duration<double> waited)
    : server_(server),
      questions_{{{Total(queries(registry, labels, "A", "local")),
                   Total(queries(registry, labels, "AAAA", "local")),
                   Total(queries(registry, labels, "other", "local"))},
                  {Total(queries(registry, labels, "A", "upstream")),
                   Total(queries(registry, labels, "AAAA", "upstream")),
                   Total(queries(registry, labels, "other", "upstream"))}}},
      no_error_(responses(registry, labels, "noerror")),
      no_name_(responses(registry, labels, "nxdomain")),
      failed_(responses(registry, labels, "servfail")),
      other_(responses(registry, labels, "other")),
      upstream_failures_(registry.counter("kuma_dp_dns_upstream_request_failure_count",
                                          "Queries that upstream servers left at SERVFAIL.",
                                          join(labels))),
      entries_(registry.gauge("kuma_dp_dns_entries_total", "Names in the table.", join(labels))),
      upstream_seconds_(registry.histogram("kuma_dp_dns_upstream_request_duration_seconds",
                                           "Time from a forwarded query to its answer.",
                                           server.answer_seconds.bounds(), join(labels))) {
  registry
      .histogram("kuma_dp_dns_config_ready_wait_seconds", "Time from the start to the first table.",
                 {0.1, 0.5, 1, 2, 5, 10, 30}, join(labels))
      .observe(waited.count());
}

std::uint64_t KumaMetrics::answers(std::size_t rcode_cell) const {
  std::uint64_t total = 0;
  for (const auto& cells : server_.answers) {
    total += cells.at(rcode_cell)->value();
  }
  return total;
}

void KumaMetrics::update(std::size_t names) {
  const auto of = [this](std::uint16_t code) {
    return answers(ServerMetrics::rcode_cell(static_cast<std::uint8_t>(code)));
  };
  std::uint64_t others = 0;
  for (std::size_t cell = 0; cell < ServerMetrics::kRcodeCells; ++cell) {
    const bool is_told =
        cell == rcode::kNoError || cell == rcode::kNxDomain || cell == rcode::kServFail;
    others += is_told ? 0 : answers(cell);
  }
  for (std::size_t owner = 0; owner < questions_.size(); ++owner) {
    for (std::size_t type = 0; type < ServerMetrics::kTypeCells; ++type) {
      questions_.at(owner).at(type).set(server_.questions.at(owner).at(type)->value());
    }
  }
  no_error_.set(of(rcode::kNoError));
  no_name_.set(of(rcode::kNxDomain));
  failed_.set(of(rcode::kServFail));
  other_.set(others);
  upstream_failures_.set(
      server_.answers.at(static_cast<std::size_t>(AnswerSource::kUpstream))
          .at(ServerMetrics::rcode_cell(static_cast<std::uint8_t>(rcode::kServFail)))
          ->value());
  entries_.set(static_cast<double>(names));
  upstream_seconds_.copy(server_.answer_seconds);
}

}  // namespace meshdns::dns
