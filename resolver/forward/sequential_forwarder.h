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
#include "base/unique_function.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

enum class ForwardStatus : std::uint8_t {
  kReply,         // `reply` answers the question; its rcode may be an error
  kTimeout,       // at least one server never spoke, and none gave a reply
  kNetworkError,  // no server could be reached at all
  kNoUpstream,    // there is none to ask
  kCancelled,     // nobody wanted it any more
};

struct ForwardResult {
  ForwardStatus status = ForwardStatus::kNoUpstream;
  std::vector<std::uint8_t> reply;  // only for kReply
};

using OnForward = UniqueFunction<void(ForwardResult)>;

class SequentialForwarder {
 public:
  struct Options {
    // Three servers fit into the whole.
    std::chrono::milliseconds attempt_timeout{1500};
    std::chrono::milliseconds total_timeout{4500};
    unsigned rounds = 3;
  };

  // One question on its way; what forward() returns and cancel() takes.
  struct Exchange;
  using Ticket = std::weak_ptr<Exchange>;

  SequentialForwarder(std::vector<std::unique_ptr<Upstream>> upstreams, const Options& options,
                      const Clock& clock);
  SequentialForwarder(const SequentialForwarder&) = delete;
  SequentialForwarder& operator=(const SequentialForwarder&) = delete;
  // Questions still open are dropped; their `done` is destroyed and not called.
  ~SequentialForwarder();

  // Asks `query`, which must live until `done` is called. `done` is called once; from within
  // forward() only when there is no server.
  Ticket forward(const Query& query, OnForward done);
  // Asks no further server. `done` is still called, when the attempt under way ends.
  void cancel(const Ticket& ticket);

  [[nodiscard]] std::size_t server_count() const { return upstreams_.size(); }

 private:
  void ask_next(const std::shared_ptr<Exchange>& exchange);
  void on_attempt(const std::shared_ptr<Exchange>& exchange, AttemptResult result);
  [[nodiscard]] bool find_next(Exchange& exchange) const;
  static void finish(const std::shared_ptr<Exchange>& exchange);

  Options options_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;
};

}  // namespace meshdns::dns
