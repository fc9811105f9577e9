// Owns a question from the moment it is not ours to answer until its one reply.
//
// The reply is either the upstream's, checked and written anew for this client (never passed
// through), or SERVFAIL with an extended error (RFC 8914): 22 when no server answered, 23 when none
// could be reached, 0 when there is none to ask, when they lead back to us, or when too many
// questions wait. A question over the limits is refused at once and never waits in a queue.
//
// Equal questions of all workers are one upstream query (shared_questions.h). The resolver whose
// client was first asks it; the others are posted the result, and each gives its clients their own
// form of it: case, id, OPT, AD, truncation.
//
// What is kept of earlier replies is told first (find_cached()); when upstream fails, or does not
// answer in time, what is stale is told rather than nothing (RFC 8767).
//
// One per worker, on the worker's thread alone but for post_result().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/slot_map.h"
#include "base/unique_function.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/group_forwarder.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/route_table.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/metrics.h"
#include "resolver/resolve/shared_question.h"
#include "resolver/resolve/shared_questions.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

struct ResolvedReply {
  QuestionId question = 0;
  std::span<const std::uint8_t> message = {};  // ready to send; valid during the call
  std::uint8_t rcode = 0;                      // of its header
  std::chrono::nanoseconds elapsed{0};         // since resolve()
  SocketAddress server = {};                   // whose reply it is made of; port 0: nobody's
  bool is_stale = false;                       // upstream gave nothing, or not in time
};

// Takes the one reply. May be called from within resolve().
using ReplySink = UniqueFunction<void(const ResolvedReply&)>;

class Resolver final : public WaitingParty {
 public:
  struct Options {
    GroupForwarder::Options forward;  // but for the policy, which the plan has
    CachedAnswers::Options cached;
    // How long a client waits for upstream while there is a stale answer (RFC 8767 section 5).
    std::chrono::milliseconds stale_after{1800};
  };
  using UpstreamFactory = std::function<std::unique_ptr<Upstream>(const PreparedServer&)>;
  // What the resolvers of all workers share, but for the first three.
  struct Environment {
    boost::asio::io_context& io;  // runs on this worker's thread
    TimerQueue& timers;           // of this worker
    UpstreamFactory make_upstream;
    const Clock& clock;
    ResolveMetrics& metrics;
    ForwardMetrics& forward_metrics;
    InFlightLimits& limits;
    SharedQuestions& questions;
    HealthBook& health;
    LoopGuard& loops;
    AnswerCache& cache;
  };

  // Has no upstream server until set_plan().
  Resolver(const Options& options, Environment environment);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Open questions are dropped; their sinks are destroyed and not called. Questions of other
  // workers that wait for one of ours are never answered: only for when all workers end.
  ~Resolver() override;

  // Brings near what find_cached() will read: for many queries at once, before the first of them.
  void prefetch(const Query& query) const { cached_.prefetch(query); }
  // The response to `query` if its route says it, or else one is kept, in `buffer`, which has
  // kMaxMessageOctets or as many as the client takes. To be called before resolve(), which is to be
  // told what came of it.
  [[nodiscard]] CachedAnswers::Found find_cached(const Query& query, Transport transport,
                                                 std::span<std::uint8_t> buffer);
  // Takes a copy of `query`. Returns 0 when the sink has been called already. `found` is what
  // find_cached() said.
  QuestionId resolve(const Query& query, Transport transport, const IpAddress& client,
                     CachedAnswers::Outcome found, ReplySink sink);
  // The client has gone: the sink is destroyed now. No further server is asked when nobody else
  // waits. The question counts against the limits until the server that was asked is done, so that
  // clients who come and go cannot multiply questions.
  void cancel(QuestionId question);

  // New questions go by this plan; open ones finish where they are. To be called alike on all
  // workers.
  void set_plan(std::shared_ptr<const ForwardPlan> plan);

  // Clients' questions that are open.
  [[nodiscard]] std::size_t in_flight() const { return questions_.size(); }

  // Tells stale answers to those who have waited for long enough. Called by a timer of its own.
  void answer_stale();

  // Any thread, as long as `io` lives.
  void post_result(std::shared_ptr<const SharedResult> result,
                   std::vector<QuestionId> questions) override;

 private:
  struct Question;
  class Errand;
  // A plan in use or, after set_plan(), until its last question.
  struct Generation {
    std::shared_ptr<const ForwardPlan> plan;
    std::vector<std::unique_ptr<GroupForwarder>> groups;  // as the plan has them
    std::size_t open = 0;
  };

  // Where a question goes by the plan in use.
  [[nodiscard]] RouteTable::Match route_of(const Query& query) const {
    return generations_.back()->plan->routes.find(query.asked_name());
  }
  // Whether there is anybody to ask that way.
  [[nodiscard]] bool has_servers(const RouteTable::Match& route) const {
    return generations_.back()->groups[route.group]->server_count() != 0;
  }
  QuestionId refuse(const Query& query, const ExtendedError& error, ReplySink& sink);
  void on_forwarded(Errand& errand, ForwardResult result);
  [[nodiscard]] SharedResult keep(const Errand& errand, ForwardResult result);
  // Tells everybody, and lets the errand go.
  void conclude(Errand& errand, const SharedResult& result);
  void tell_again(Errand& errand);
  void distribute(const std::vector<Waiter>& waiters, const SharedResult& result);
  void tell_own(const std::vector<Waiter>& waiters, const SharedResult& result);
  void tell_others(const std::vector<Waiter>& waiters, const SharedResult& result);
  void give(QuestionId id, const SharedResult& result);
  // Asks upstream what is joined, if nobody does.
  void ask(const SharedQuestions::Joined& joined);
  void refresh(const Query& query);
  // `reply` without question and time.
  void tell(Question& question, ResolvedReply reply);
  bool tell_stale(Question& question);
  void arm_stale_timer();
  [[nodiscard]] std::size_t write_reply(const Question& question, const SharedResult& result,
                                        std::uint8_t& rcode);
  [[nodiscard]] std::size_t write_failure(const Query& query, const ExtendedError& error,
                                          std::uint8_t& rcode);
  void drop_finished_generations();

  // Shared with its handler, which may run after the resolver is gone.
  struct StaleTimer;
  struct StaleTime {
    TimePoint due;
    QuestionId question = 0;
  };

  Options options_;
  Environment environment_;
  CachedAnswers cached_;
  std::deque<StaleTime> stale_times_;  // by time; some of questions that are answered
  std::shared_ptr<StaleTimer> stale_timer_;
  std::uint64_t epoch_ = 0;                               // sets of servers so far
  std::vector<std::uint8_t> buffer_;                      // of one reply
  std::vector<std::unique_ptr<Generation>> generations_;  // the last one is in use
  SlotMap<Question> questions_;
  SlotMap<Errand> errands_;
};

}  // namespace meshdns::dns
