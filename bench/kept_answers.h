// Answers of others, kept as the resolver keeps them, for what an answer from its cache costs. One
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "bench/query_series.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/metrics.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/query.h"

namespace meshdns::bench {

class KeptAnswers {
 public:
  KeptAnswers();

  // Keeps `table`'s answers to the queries as what upstream said.
  void keep_all(const dns::Snapshot& table, const QuerySeries& series);
  [[nodiscard]] dns::AnswerCache& cache() { return cache_; }

  // Brings near what answer() will read.
  void prefetch(const dns::Query& query) const { answers_.prefetch(query); }
  // Writes the answer to `query`; returns its octets, 0 when none is kept.
  [[nodiscard]] std::size_t answer(const dns::Query& query, std::span<std::uint8_t> buffer);

 private:
  SystemClock clock_;
  MetricRegistry registry_;
  dns::ResolveMetrics metrics_;
  dns::AnswerCache cache_;
  dns::CachedAnswers answers_;
  std::vector<std::uint8_t> scratch_;
};

}  // namespace meshdns::bench
