#include "resolver/resolve/cached_answers.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/clock.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/forward/forward_client.h"
#include "resolver/resolve/metrics.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/stored_reply.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {
namespace {

constexpr ExtendedError kStaleError{extended_error::kStaleAnswer,
                                    "upstream does not answer; this was true before"};
constexpr ExtendedError kStaleNoNameError{extended_error::kStaleNxDomainAnswer,
                                          "upstream does not answer; there was no such name"};
constexpr ExtendedError kFailureError{extended_error::kCachedError, "upstream failed a moment ago"};
constexpr std::size_t kErrorOctets = kPlainUdpOctets;  // hold any error

// Of servers that are asked in order the first may hold names which no other knows of (a company's,
// and then a public one): that a later one denies a name is forgotten soon after the first is back,
// and replaces nothing that is still true.
constexpr std::uint32_t kStandInDenialSeconds = 10;

void shorten_denial(StoredReply& stored, ReplyFacts& facts) {
  if (facts.ttl) {
    clamp_ttls(stored, 0, kStandInDenialSeconds);
    facts.ttl = std::min(*facts.ttl, kStandInDenialSeconds);
  }
}

CachedQuestion question_of(const Query& query) {
  return {.name = query.asked_name(),
          .type = query.qtype,
          .rrclass = query.qclass,
          .dnssec_ok = query.dnssec_ok,
          .checking_disabled = query.checking_disabled()};
}

// Folded as the key of the cache is.
CachedQuestion question_of(const Query& query, Name& folded) {
  CachedQuestion question = question_of(query);
  if (!query.aliases.empty()) {
    folded.assign_folded(question.name);
    question.name = folded;
  }
  return question;
}

}  // namespace

CachedAnswers::CachedAnswers(const Options& options, AnswerCache& cache, const Clock& clock,
                             ResolveMetrics& metrics)
    : options_(options), cache_(cache), clock_(clock), metrics_(metrics) {}

std::span<std::uint8_t> CachedAnswers::limit(const Query& query, Transport transport,
                                             std::span<std::uint8_t> buffer) const {
  return buffer.first(
      std::min(buffer.size(), response_limit(query, transport, options_.max_udp_payload)));
}

RebuildOptions CachedAnswers::rebuild_options(Transport transport,
                                              const ExtendedError* error) const {
  // Whoever's AD means nothing had it cleared when the reply came (GroupForwarder).
  return {.transport = transport, .trusted_upstream = true, .error = error};
}

void CachedAnswers::prefetch(const Query& query) const {
  Name folded;
  cache_.prefetch(question_of(query, folded));
}

CachedAnswers::Found CachedAnswers::find(const Query& query, Transport transport,
                                         std::span<std::uint8_t> buffer) {
  Name folded;
  const CacheHit hit = cache_.find(question_of(query, folded), clock_.now(), found_);
  switch (hit.freshness) {
    case Freshness::kMiss:
      metrics_.cache_misses.add();
      return {};
    case Freshness::kFailure:
      metrics_.cache_failures.add();
      return {.outcome = Outcome::kAnswered,
              .size = write_error(query, hit.rcode, &kFailureError, buffer.first(kErrorOctets)),
              .rcode = static_cast<std::uint8_t>(hit.rcode)};
    case Freshness::kStale:
      if (!hit.refresh_failed) {
        metrics_.cache_misses.add();
        return {.outcome = Outcome::kStale};
      }
      break;
    case Freshness::kFresh:
      break;
  }
  return answer_with(hit, query, transport, buffer);
}

CachedAnswers::Found CachedAnswers::find_stale(const Query& query, Transport transport,
                                               std::span<std::uint8_t> buffer) {
  Name folded;
  const CacheHit hit = cache_.find(question_of(query, folded), clock_.now(), found_);
  if (hit.freshness != Freshness::kFresh && hit.freshness != Freshness::kStale) {
    return {};
  }
  return answer_with(hit, query, transport, buffer);
}

CachedAnswers::Found CachedAnswers::answer_with(const CacheHit& hit, const Query& query,
                                                Transport transport,
                                                std::span<std::uint8_t> buffer) {
  const bool is_stale = hit.freshness == Freshness::kStale;
  TtlView ttl{.age = hit.age};
  const ExtendedError* error = nullptr;
  if (is_stale) {
    ttl.at_most = static_cast<std::uint32_t>(options_.stale_ttl.count());
    error = found_.rcode() == rcode::kNxDomain ? &kStaleNoNameError : &kStaleError;
  }
  const RebuildResult written = write_stored_reply(
      found_, ttl, query, rebuild_options(transport, error), limit(query, transport, buffer));
  if (written.status != RebuildStatus::kOk) {
    return {};
  }
  (is_stale ? metrics_.cache_stale : metrics_.cache_hits).add();
  return {.outcome = Outcome::kAnswered,
          .size = written.size,
          .rcode = written.rcode,
          .is_stale = is_stale,
          .refresh = hit.refresh};
}

SharedResult CachedAnswers::take(const Query& asked, ForwardResult result, bool may_keep,
                                 std::span<std::uint8_t> scratch) {
  SharedResult shared{.status = result.status,
                      .reply = {},
                      .stored = {},
                      .server = result.server,
                      .is_failure = true};
  Name folded;
  const CachedQuestion question = question_of(asked, folded);
  std::uint16_t rcode = rcode::kServFail;
  if (result.status == ForwardStatus::kReply) {
    auto [status, facts] = store_reply(result.reply, asked, scratch, shared.stored);
    if (status != RebuildStatus::kOk) {
      shared.reply = std::move(result.reply);
      shared.is_failure = !inspect_reply(shared.reply).truncated;
    } else {
      shared.is_failure = facts.kind == ReplyKind::kFailure;
      const bool is_doubtful = result.is_stand_in && facts.kind != ReplyKind::kAnswer;
      if (is_doubtful) {
        shorten_denial(shared.stored, facts);
      }
      if (!shared.is_failure && may_keep && !(is_doubtful && has_fresh(question))) {
        cache_.store(question, facts, clock_.now(), shared.stored);
      }
      rcode = shared.is_failure ? shared.stored.rcode() : rcode;
    }
    if (!shared.is_failure) {
      return shared;
    }
  }
  const bool was_asked = result.status == ForwardStatus::kReply ||
                         result.status == ForwardStatus::kTimeout ||
                         result.status == ForwardStatus::kNetworkError;
  if (may_keep && was_asked) {
    cache_.store_failure(question, rcode, clock_.now());
  }
  return shared;
}

bool CachedAnswers::has_fresh(const CachedQuestion& question) {
  return cache_.find(question, clock_.now(), found_).freshness == Freshness::kFresh;
}

RebuildResult CachedAnswers::write(const SharedResult& result, const Query& query,
                                   Transport transport, std::span<std::uint8_t> buffer) {
  const RebuildOptions options = rebuild_options(transport, nullptr);
  if (result.stored.message.empty()) {
    return rebuild_reply(result.reply, query, options, limit(query, transport, buffer));
  }
  found_ = result.stored;
  return write_stored_reply(found_, {}, query, options, limit(query, transport, buffer));
}

}  // namespace meshdns::dns
