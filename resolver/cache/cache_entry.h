// What a cache is asked, and what it says.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "resolver/wire/name.h"
#include "resolver/wire/stored_reply.h"

namespace meshdns::dns {

// What an answer of upstream is kept under. DO and CD are part of it, since upstream answers by
// them (RFC 4035 section 3.2, RFC 6840 section 5.9). A view: the name lives elsewhere.
struct CachedQuestion {
  NameView name;  // folded
  std::uint16_t type = 0;
  std::uint16_t rrclass = 0;
  bool dnssec_ok = false;
  bool checking_disabled = false;

  friend bool operator==(const CachedQuestion&, const CachedQuestion&) = default;
};

// The type under which the denial of a name stands: it holds for all of them.
inline constexpr std::uint16_t kDenialType = 0;

enum class Freshness : std::uint8_t {
  kMiss,
  kFresh,
  kStale,    // its TTL is over: to be told only when upstream does not answer
  kFailure,  // upstream failed a moment ago and is not to be asked yet (RFC 9520); no reply
};

struct CacheHit {
  Freshness freshness = Freshness::kMiss;
  std::uint32_t age = 0;    // whole seconds since it was stored
  std::uint16_t rcode = 0;  // of a failure
  // The answer is popular and near its end: whoever is told so asks upstream; nobody else is for a
  // while.
  bool refresh = false;
  // Upstream failed to refresh it a moment ago: a stale answer is to be told at once (RFC 8767
  // section 5).
  bool refresh_failed = false;
};

// One entry as it stands, for people.
struct CacheItem {
  CachedQuestion question;  // of type kDenialType: the name does not exist
  ReplyKind kind = ReplyKind::kFailure;
  std::uint16_t rcode = 0;
  std::chrono::seconds left{0};  // below zero: stale
  std::size_t octets = 0;        // with all that it costs
};

struct CacheStats {
  std::size_t entries = 0;
  std::size_t octets = 0;
  std::uint64_t evictions = 0;
};

}  // namespace meshdns::dns
