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
                 const std::string& source) {
  return registry.counter("kuma_dp_dns_queries_total",
                          "Queries answered, by where the answer came from.",
                          join(labels, {{"qtype", "all"}, {"source", source}}));
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
      local_(queries(registry, labels, "local")),
      upstream_(queries(registry, labels, "upstream")),
      no_error_(responses(registry, labels, "noerror")),
      no_name_(responses(registry, labels, "nxdomain")),
      failed_(responses(registry, labels, "servfail")),
      other_(responses(registry, labels, "other")),
      upstream_failures_(registry.counter("kuma_dp_dns_upstream_request_failure_count",
                                          "Queries that upstream servers left at SERVFAIL.",
                                          join(labels))),
      entries_(registry.gauge("kuma_dp_dns_entries_total", "Names in the table.", join(labels))) {
  registry
      .histogram("kuma_dp_dns_config_ready_wait_seconds", "Time from the start to the first table.",
                 {0.1, 0.5, 1, 2, 5, 10, 30}, join(labels))
      .observe(waited.count());
}

std::uint64_t KumaMetrics::answers(AnswerSource source) const {
  std::uint64_t total = 0;
  for (const Counter* const cell : server_.answers.at(static_cast<std::size_t>(source))) {
    total += cell->value();
  }
  return total;
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
  // What is kept in the cache came from upstream.
  local_.set(answers(AnswerSource::kLocal));
  upstream_.set(answers(AnswerSource::kCache) + answers(AnswerSource::kUpstream));
  no_error_.set(of(rcode::kNoError));
  no_name_.set(of(rcode::kNxDomain));
  failed_.set(of(rcode::kServFail));
  other_.set(others);
  upstream_failures_.set(
      server_.answers.at(static_cast<std::size_t>(AnswerSource::kUpstream))
          .at(ServerMetrics::rcode_cell(static_cast<std::uint8_t>(rcode::kServFail)))
          ->value());
  entries_.set(static_cast<double>(names));
}

}  // namespace meshdns::dns
