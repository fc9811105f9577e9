// The policy for servers of a resolv.conf: in order, the next one only when the one before failed.
//
// A server has failed a question at its timeout, at a network error, and when it answers FORMERR,
// SERVFAIL, NOTIMP, REFUSED, an extended rcode or something that does not parse. Every other reply
// counts, whatever it says: an early answer of a later server never beats an earlier one within its
// time, so that internal servers listed before public ones keep their names. A server that only
// timed out is asked again in the next round; one that spoke or refused the connection is not. When
// all fail, the first error reply is the answer; the rcode passes (RFC 5625 section 6.2 and the
// stub's own retry depend on it).
//
// A server that leads back to us (loop_guard.h) is not asked for a while, even if it is the only
// one.
//
// The whole question ends before a stub's usual 5 seconds (resolv.conf(5), `timeout`).
//
// Belongs to one worker's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

enum class ForwardStatus : std::uint8_t {
  kReply,         // `reply` answers the question; its rcode may be an error
  kTimeout,       // at least one server never spoke, and none gave a reply
  kNetworkError,  // no server could be reached at all
  kNoUpstream,    // there is none to ask
  kLoop,          // the servers that are left lead back to us
  kUnwanted,      // nobody wanted it any more
};

struct ForwardResult {
  ForwardStatus status = ForwardStatus::kNoUpstream;
  std::vector<std::uint8_t> reply;  // only for kReply
};

// One question and who asks it. Outlives its way through the forwarder.
class ForwardClient {
 public:
  ForwardClient() = default;
  ForwardClient(const ForwardClient&) = delete;
  ForwardClient& operator=(const ForwardClient&) = delete;
  virtual ~ForwardClient() = default;

  [[nodiscard]] virtual const Query& query() const = 0;
  // Somebody still waits; if not, no further server is asked.
  [[nodiscard]] virtual bool is_wanted() const = 0;
  // The same question has come in again meanwhile: maybe it is ours, which went round.
  [[nodiscard]] virtual bool is_repeated() const = 0;
  // Called once; the client may then be destroyed.
  virtual void on_forwarded(ForwardResult result) = 0;
};

class SequentialForwarder {
 public:
  struct Options {
    // Three servers fit into the whole.
    std::chrono::milliseconds attempt_timeout{1500};
    std::chrono::milliseconds total_timeout{4500};
    unsigned rounds = 3;
  };

  struct Environment {
    const Clock& clock;
    HealthBook& health;
    LoopGuard& loops;
  };

  SequentialForwarder(std::vector<std::unique_ptr<Upstream>> upstreams, const Options& options,
                      const Environment& environment);
  SequentialForwarder(const SequentialForwarder&) = delete;
  SequentialForwarder& operator=(const SequentialForwarder&) = delete;
  // Questions still open are dropped; their clients are not told.
  ~SequentialForwarder();

  // The client may be told from within when there is no server to ask.
  void forward(ForwardClient& client);

  [[nodiscard]] std::size_t server_count() const { return servers_.size(); }

 private:
  struct Server {
    std::unique_ptr<Upstream> upstream;
    ServerHealth& health;
  };
  struct Exchange;

  void ask_next(const std::shared_ptr<Exchange>& exchange);
  void on_attempt(const std::shared_ptr<Exchange>& exchange, AttemptResult result);
  // Finds out whether the server whose turn it is leads back to us, then goes on.
  void probe(const std::shared_ptr<Exchange>& exchange);
  [[nodiscard]] bool find_next(Exchange& exchange) const;
  [[nodiscard]] std::chrono::milliseconds remaining(const Exchange& exchange) const;
  static void finish(const std::shared_ptr<Exchange>& exchange);

  Options options_;
  Environment environment_;
  std::vector<Server> servers_;
};

}  // namespace meshdns::dns
