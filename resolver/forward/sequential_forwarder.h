// The policy for servers of a resolv.conf: in order, the next one only when the one before failed.
//
// Each server has a turn. It is asked at its beginning and again in each retry interval, from new
// ports, while the old ones are listened on: whichever try is answered, late or not, ends the
// question. A server has failed a question when its turn is over, at a network error, and when it
// answers FORMERR, SERVFAIL, NOTIMP, REFUSED, an extended rcode or something that does not parse.
// Every other reply counts, whatever it says: an early answer of a later server never beats an
// earlier one within its turn, so that internal servers listed before public ones keep their names.
// After the last turn those that were only silent get more, short ones. When all fail, the first
// error reply is the answer; the rcode passes (RFC 5625 section 6.2 and the stub's own retry depend
// on it).
//
// Servers that said nothing lately (server_health.h) come after the others; now and then a question
// asks them besides, so that their return is seen. A server that leads back to us (loop_guard.h) is
// not asked for a while, even if it is the only one.
//
// The whole question ends before a stub's usual 5 seconds (resolv.conf(5), `timeout`).
//
// Belongs to one worker's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "resolver/forward/forward_client.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"

namespace meshdns::dns {

class SequentialForwarder {
 public:
  struct Options {
    std::chrono::milliseconds turn{1500};  // three servers fit into the whole
    std::chrono::milliseconds retry_interval{400};
    std::chrono::milliseconds total_timeout{4500};
  };
  struct Environment {
    TimerQueue& timers;
    HealthBook& health;
    LoopGuard& loops;
    ForwardMetrics& metrics;
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
    UpstreamMetrics metrics;
  };
  class Exchange;

  Options options_;
  Environment environment_;
  std::vector<Server> servers_;
  std::unordered_map<const Exchange*, std::unique_ptr<Exchange>> exchanges_;
};

}  // namespace meshdns::dns
