#include "bench/kept_answers.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/sip_hash.h"
#include "bench/query_series.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/forward_client.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"

namespace meshdns::bench {
namespace {

constexpr HashKey kCacheKey{.first = 3, .second = 4};

}  // namespace

KeptAnswers::KeptAnswers()
    : metrics_(registry_),
      cache_({}, kCacheKey),
      answers_({}, cache_, clock_, metrics_),
      scratch_(dns::kMaxMessageOctets) {}

void KeptAnswers::keep_all(const dns::Snapshot& table, const QuerySeries& series) {
  const dns::QueryHandler handler({});
  std::vector<std::uint8_t> buffer(dns::kMaxMessageOctets);
  dns::Query query;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const dns::Outcome outcome = handler.handle(table, series[i].octets, dns::Transport::kUdp,
                                                dns::ClientAccess::kAllowed, buffer, query);
    const auto reply = std::span(buffer).first(outcome.size);
    dns::ForwardResult result{.status = dns::ForwardStatus::kReply,
                              .reply = {reply.begin(), reply.end()}};
    // What is returned is for clients who waited.
    static_cast<void>(answers_.take(query, std::move(result), true, scratch_));
  }
}

std::size_t KeptAnswers::answer(const dns::Query& query, std::span<std::uint8_t> buffer) {
  return answers_.find(query, dns::Transport::kUdp, buffer).size;
}

}  // namespace meshdns::bench
