// CachedAnswers: a worker's way to the cache that all of them share: clients' responses of what is
// kept, and what becomes of a reply that has come.
//
// The worker's thread alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/forward/forward_client.h"
#include "resolver/resolve/metrics.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/stored_reply.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {

// What came of a shared question, for everybody who waited: the reply in the form in which it is
// kept, or as it came where it has none (it was cut short, or is malformed).
struct SharedResult {
  ForwardStatus status = ForwardStatus::kNoUpstream;
  std::vector<std::uint8_t> reply;  // only for kReply
  StoredReply stored;               // without octets where it has no such form
  SocketAddress server = {};        // who replied; port 0: nobody
  bool is_failure = false;          // an answer that was kept may be told instead
};

class CachedAnswers {
 public:
  struct Options {
    std::uint16_t max_udp_payload = kOurUdpPayloadOctets;
    std::chrono::seconds stale_ttl{30};  // RFC 8767 section 4
  };
  enum class Outcome : std::uint8_t {
    kNothing,
    kAnswered,  // the response is written
    kStale,     // there is an answer that may be told if upstream gives none
    kRouted,    // the response is written, by what a route says
  };
  struct Found {
    Outcome outcome = Outcome::kNothing;
    std::size_t size = 0;
    std::uint8_t rcode = 0;
    bool is_stale = false;
    bool refresh = false;  // upstream is to be asked all the same, for the next client
  };

  CachedAnswers(const Options& options, AnswerCache& cache, const Clock& clock,
                ResolveMetrics& metrics);
  CachedAnswers(const CachedAnswers&) = delete;
  CachedAnswers& operator=(const CachedAnswers&) = delete;
  ~CachedAnswers() = default;

  // Brings near what find() will read.
  void prefetch(const Query& query) const;
  // Answers from what is kept, as far as it is fresh, or known not to be had. `buffer` as for
  // write().
  [[nodiscard]] Found find(const Query& query, Transport transport, std::span<std::uint8_t> buffer);
  // Answers with what is stale, too.
  [[nodiscard]] Found find_stale(const Query& query, Transport transport,
                                 std::span<std::uint8_t> buffer);
  // What becomes of what came for `asked`; kept unless `may_keep` is false. `scratch` has
  // kMaxMessageOctets.
  [[nodiscard]] SharedResult take(const Query& asked, ForwardResult result, bool may_keep,
                                  std::span<std::uint8_t> scratch);
  // The response to a client who waited for it. `buffer` has kMaxMessageOctets; what is written is
  // no longer than the client takes.
  [[nodiscard]] RebuildResult write(const SharedResult& result, const Query& query,
                                    Transport transport, std::span<std::uint8_t> buffer);

  // How any response is to be written for a client, and where it ends in `buffer`.
  [[nodiscard]] RebuildOptions rebuild_options(Transport transport,
                                               const ExtendedError* error) const;
  [[nodiscard]] std::span<std::uint8_t> limit(const Query& query, Transport transport,
                                              std::span<std::uint8_t> buffer) const;

 private:
  [[nodiscard]] bool has_fresh(const CachedQuestion& question);
  [[nodiscard]] Found answer_with(const CacheHit& hit, const Query& query, Transport transport,
                                  std::span<std::uint8_t> buffer);

  Options options_;
  AnswerCache& cache_;
  const Clock& clock_;
  ResolveMetrics& metrics_;
  StoredReply found_;  // kept for its memory
};

}  // namespace meshdns::dns
