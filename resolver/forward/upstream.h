// One upstream server as the forwarder sees it: an attempt is one question to one server with one
// deadline. Which server is asked, how often and in what order is the policy's business
// (group_forwarder.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/unique_function.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

enum class AttemptStatus : std::uint8_t {
  kReply,         // a whole message that answers this question and parses; its rcode may be any
  kBadReply,      // the server answered, but not with something usable
  kTimeout,       // nothing until the deadline
  kNetworkError,  // no socket, no route, connection refused or reset
};

struct AttemptResult {
  AttemptStatus status = AttemptStatus::kNetworkError;
  std::uint16_t rcode = 0;          // with the OPT's upper bits; only for kReply
  std::vector<std::uint8_t> reply;  // only for kReply
};

using OnAttempt = UniqueFunction<void(AttemptResult)>;

// Never 0, never used twice by one Upstream.
using AttemptId = std::uint64_t;

// Belongs to one worker's thread.
class Upstream {
 public:
  Upstream() = default;
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  // Attempts still open are dropped; their `done` is destroyed and not called.
  virtual ~Upstream() = default;

  [[nodiscard]] virtual const UpstreamServer& server() const = 0;

  // Asks `query`, which must live until `done` is called or the attempt is cancelled. `done` is
  // called once, at the latest at `deadline` from now and never from within ask(). Where that
  // throws for want of memory nothing was asked, and `done` is never called.
  virtual AttemptId ask(const Query& query, std::chrono::milliseconds deadline, OnAttempt done) = 0;
  // Nobody wants it any more: `done` is destroyed and not called. Nothing happens when it is over.
  virtual void cancel(AttemptId attempt) = 0;
};

}  // namespace meshdns::dns
