// Asks a group of servers by its policy (server_order.h) until one has an answer.
//
// Each server has a turn. It is asked at its beginning and, over UDP, again in each retry interval,
// from new ports, while the old ones are listened on: whichever try is answered, late or not, ends
// the question. A server has failed a question when its turn is over, at a network error, and when
// it answers FORMERR, SERVFAIL, NOTIMP, REFUSED, an extended rcode or something that does not
// parse. Every other reply counts, whatever it says. In sequence an early answer of a later server
// never beats an earlier one within its turn, so that internal servers listed before public ones
// keep their names; equals have short turns, and the first answer of any of them is the one. After
// the last turn those that were only silent get more, short ones: all of them where nobody spoke,
// else those that are not down, which may know better than whoever failed. When all fail, the first
// error reply is the answer; the rcode passes (RFC 5625 section 6.2 and the stub's own retry depend
// on it).
//
// Servers that said nothing lately (server_health.h) come after the others; now and then a question
// asks them besides, so that their return is seen, and so does a policy that compares servers,
// whose speed it has to know: what they say is listened to even when the question is over. A server
// that leads back to us (loop_guard.h) is not asked for a while, even if it is the only one.
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
#include "base/slot_map.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"

namespace meshdns::dns {

class GroupForwarder {
 public:
  struct Options {
    ForwardPolicy policy = ForwardPolicy::kSequential;
    std::chrono::milliseconds turn{1500};  // three servers fit into the whole
    std::chrono::milliseconds retry_interval{400};
    std::chrono::milliseconds total_timeout{4500};
    bool trusts_ad = false;  // else AD is cleared in replies (RFC 6840 section 5.8)
    std::uint32_t seed = 1;  // of kRandom
  };
  struct Environment {
    TimerQueue& timers;
    HealthBook& health;
    LoopGuard& loops;
    ForwardMetrics& metrics;
  };

  GroupForwarder(std::vector<std::unique_ptr<Upstream>> upstreams, const Options& options,
                 const Environment& environment);
  GroupForwarder(const GroupForwarder&) = delete;
  GroupForwarder& operator=(const GroupForwarder&) = delete;
  // Questions still open are dropped; their clients are not told.
  ~GroupForwarder();

  // The client may be told from within: when there is no server to ask, or no memory for it. What
  // is thrown comes of a step of the asking, which goes on.
  void forward(ForwardClient& client);

  [[nodiscard]] std::size_t server_count() const { return servers_.size(); }

 private:
  struct Server {
    std::unique_ptr<Upstream> upstream;
    std::shared_ptr<ServerHealth> health;
    UpstreamMetrics metrics;
  };
  class Exchange;
  struct Scout;

  // Asks a server besides, for `exchange` and for what it learns.
  void send_scout(std::size_t server, Exchange& exchange);
  void on_scout(Scout& scout, AttemptResult result);
  // What a reply to a question asked at `sent`, or its absence, says of the server.
  void learn(std::size_t server, const AttemptResult& result, TimePoint sent, TimePoint now);

  Options options_;
  Environment environment_;
  ServerOrder order_;
  std::vector<Server> servers_;
  std::vector<ServerHealth*> healths_;  // of the same
  SlotMap<Exchange> exchanges_;
  SlotMap<Scout> scouts_;
};

}  // namespace meshdns::dns
