#include "resolver/forward/group_forwarder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/slot_map.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/rtt_estimate.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {
namespace {

// Less time than this is not worth a question.
constexpr std::chrono::milliseconds kShortestAttempt{20};
// A question that goes round takes no longer than one that does not.
constexpr std::chrono::milliseconds kLongestProbe{500};
// A server that takes so many times its usual time says nothing.
constexpr int kPatience = 3;

// What one server said that another may say better.
bool is_server_failure(std::uint16_t rcode) {
  return rcode == rcode::kFormErr || rcode == rcode::kServFail || rcode == rcode::kNotImp ||
         rcode == rcode::kRefused || rcode > flag::kRcodeMask;
}

// In the header's second half of flags (RFC 4035 section 3.2.3).
void clear_authentic_data(std::vector<std::uint8_t>& reply) {
  constexpr std::size_t kLowFlags = 3;
  if (reply.size() > kLowFlags) {
    reply[kLowFlags] &= static_cast<std::uint8_t>(~flag::kAuthenticData);
  }
}

}  // namespace

// A question to one server besides its turns. Has its own copy: it may outlast whoever asked.
struct GroupForwarder::Scout {
  // NOLINTNEXTLINE(modernize-pass-by-value): to move a Query is to copy its octets.
  Scout(SlotMap<Scout>::Id given, const Query& asked) : id(given), query(asked) {}
  SlotMap<Scout>::Id id;
  Query query;
  std::size_t server = 0;
  TimePoint sent;
  AttemptId attempt = 0;
  Exchange* exchange = nullptr;  // null once that is over
};

// One question on its way.
class GroupForwarder::Exchange final : public TimerQueue::Timer {
 public:
  Exchange(SlotMap<Exchange>::Id id, GroupForwarder& forwarder, ForwardClient& client)
      : Timer(forwarder.environment_.timers),
        id_(id),
        forwarder_(forwarder),
        client_(client),
        now_(forwarder.environment_.timers.now()),
        end_(now_ + forwarder.options_.total_timeout),
        states_(forwarder.servers_.size()) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() override;

  void start();
  void on_due() override;

  [[nodiscard]] const Query& query() const { return client_.query(); }
  void add_scout(Scout& scout) { scouts_.push_back(&scout); }
  void remove_scout(const Scout& scout) { std::erase(scouts_, &scout); }
  // What a scout heard; it is gone after this.
  void take_scout(const Scout& scout, std::size_t index, AttemptResult result) {
    read_clock();
    remove_scout(scout);
    take(index, std::move(result));
  }

 private:
  // A server as this question knows it.
  struct ServerState {
    bool failed = false;  // gave its answer, such as it was, or cannot be reached
    std::optional<TimePoint> asked;
  };
  struct Try {
    unsigned number = 0;
    std::size_t server = 0;
    AttemptId attempt = 0;
    TimePoint sent;
  };
  // Asks a server for a name that will come back if the server leads to us.
  struct LoopProbe {
    LoopProbe(LoopGuard& guard, const Query& question, LoopGuard::Domain domain,
              ServerHealth& server)
        : name(guard, question.asked_name(), domain, server), query(question) {
      query.name = name.name();
      query.assign_question(query.name, question.qtype, question.qclass);
    }
    LoopGuard::Probe name;
    Query query;
  };

  // When what happens now began to.
  [[nodiscard]] TimePoint now() const { return now_; }
  void read_clock() { now_ = forwarder_.environment_.timers.now(); }
  template <typename T>
  using Few = boost::container::small_vector<T, ServerOrder::kUsualServers>;

  [[nodiscard]] Server& server(std::size_t index) const { return forwarder_.servers_[index]; }
  [[nodiscard]] std::chrono::milliseconds left() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(end_ - now());
  }

  void ask_besides();
  void next_turn();
  [[nodiscard]] bool find_next();
  // Whether a server that was silent gets more turns: where somebody spoke, only if it is known to
  // speak, too.
  [[nodiscard]] bool may_have_more(std::size_t index) const {
    return error_reply_.empty() || !server(index).health->is_down(now());
  }
  void ask(std::size_t index);
  // Once more, if it helps.
  void ask_again(std::size_t index);
  [[nodiscard]] bool is_open(std::size_t index) const {
    return std::ranges::find(tries_, index, &Try::server) != tries_.end();
  }
  void wait();
  // Whatever a step that fails for want of memory leaves undone, the question is looked at again.
  void come_back();
  void look_for_loop();
  void send_probe(std::size_t index, LoopGuard::Domain domain);
  void on_probe(std::size_t index, LoopGuard::Domain domain);
  void open_try(unsigned number, std::size_t index, const Query& query,
                std::chrono::milliseconds deadline, OnAttempt done);
  void on_result(std::size_t index, unsigned number, AttemptResult result);
  void take(std::size_t index, AttemptResult result);
  void note_silent_equals();
  void on_failure(std::size_t index);
  // Asks a server no more.
  void forget_server(std::size_t index);
  template <typename Which>
  void forget_tries(Which which) {
    const auto gone = std::ranges::remove_if(tries_, which);
    tries_.erase(gone.begin(), gone.end());
  }
  void finish_without_answer();
  void finish(ForwardResult result);

  const SlotMap<Exchange>::Id id_;
  GroupForwarder& forwarder_;
  ForwardClient& client_;
  TimePoint now_;
  const TimePoint end_;
  ServerOrder::Order order_;  // in which the servers have their turns
  Few<ServerState> states_;
  Few<Try> tries_;              // open ones
  std::vector<Scout*> scouts_;  // still out
  unsigned last_try_ = 0;
  std::unique_ptr<LoopProbe> probe_;
  std::size_t next_ = 0;     // in order_
  std::size_t current_ = 0;  // the server whose turn it is
  TimePoint turn_end_{};
  bool all_had_turns_ = false;
  bool timed_out_ = false;
  bool looped_ = false;
  std::vector<std::uint8_t> error_reply_;  // the first one
  SocketAddress error_server_;             // whose it is
};

GroupForwarder::Exchange::~Exchange() {
  for (const Try& open : tries_) {
    server(open.server).upstream->cancel(open.attempt);
  }
  for (Scout* const scout : scouts_) {
    scout->exchange = nullptr;
  }
}

void GroupForwarder::Exchange::start() {
  const SlotMap<Exchange>::Id id = id_;
  GroupForwarder& forwarder = forwarder_;
  try {
    forwarder.order_.arrange(forwarder.healths_, now(), order_);
    ask_besides();
    next_turn();
  } catch (...) {
    if (forwarder.exchanges_.find(id) != nullptr) {  // else it is over, and so are we
      come_back();
    }
    throw;
  }
}

// In sequence only servers before the first one that is up: another's early answer must not count,
// and its return changes nothing.
void GroupForwarder::Exchange::ask_besides() {
  const ServerOrder& order = forwarder_.order_;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    ServerHealth& health = *server(i).health;
    if (i == order_.front() || (!order.is_of_equals() && i > order_.front()) ||
        health.is_looping(now())) {
      continue;
    }
    if (health.is_down(now()) ? health.claim_return(now())
                              : order.compares() && health.claim_comparison(now())) {
      forwarder_.send_scout(i, *this);
    }
  }
}

bool GroupForwarder::Exchange::find_next() {
  for (int round = 0; round < 2; ++round) {
    for (; next_ < order_.size(); ++next_) {
      const std::size_t index = order_[next_];
      const bool loops = server(index).health->is_looping(now());
      looped_ = looped_ || loops;
      if (!loops && !states_[index].failed && (!all_had_turns_ || may_have_more(index))) {
        return true;
      }
    }
    next_ = 0;
    all_had_turns_ = true;
  }
  return false;
}

void GroupForwarder::Exchange::next_turn() {
  if (!client_.is_wanted() || left() < kShortestAttempt || !find_next()) {
    finish_without_answer();
    return;
  }
  const bool is_first = next_ == 0 && !all_had_turns_;
  const bool is_hedge = next_ == 1 && !all_had_turns_ && forwarder_.order_.hedges();
  current_ = order_[next_++];
  const Options& options = forwarder_.options_;
  turn_end_ =
      now() + (all_had_turns_ ? std::min(options.turn, options.retry_interval)
                              : forwarder_.order_.turn_of(*server(current_).health, is_first));
  if (!all_had_turns_ && !is_hedge) {
    ask(current_);
  } else {
    ask_again(current_);
  }
  wait();
}

// Over a stream the question is on its way still; TCP repeats what is lost.
void GroupForwarder::Exchange::ask_again(std::size_t index) {
  const bool is_datagram = server(index).upstream->server().transport == UpstreamTransport::kUdp;
  if ((is_datagram || !is_open(index)) && server(index).health->take_retry(now())) {
    ask(index);
  }
}

void GroupForwarder::Exchange::ask(std::size_t index) {
  ServerState& state = states_[index];
  state.asked = state.asked.value_or(now());
  const unsigned number = ++last_try_;
  open_try(number, index, client_.query(), left(), [this, index, number](AttemptResult result) {
    on_result(index, number, std::move(result));
  });
}

// Noted first: what is asked is always known, and so is cancelled before we go.
void GroupForwarder::Exchange::open_try(unsigned number, std::size_t index, const Query& query,
                                        std::chrono::milliseconds deadline, OnAttempt done) {
  tries_.push_back({.number = number, .server = index, .attempt = 0, .sent = now()});
  try {
    tries_.back().attempt = server(index).upstream->ask(query, deadline, std::move(done));
  } catch (...) {
    tries_.pop_back();
    throw;
  }
}

void GroupForwarder::Exchange::come_back() {
  forwarder_.environment_.timers.schedule(*this, now() + forwarder_.options_.retry_interval);
}

void GroupForwarder::Exchange::wait() {
  const auto retry = now() + forwarder_.options_.retry_interval;
  forwarder_.environment_.timers.schedule(*this, std::min({retry, turn_end_, end_}));
}

void GroupForwarder::Exchange::on_due() {
  read_clock();
  come_back();
  if (!client_.is_wanted()) {
    finish({ForwardStatus::kUnwanted, {}});
    return;
  }
  timed_out_ = true;
  look_for_loop();
  if (server(current_).health->is_looping(now())) {
    looped_ = true;
    on_failure(current_);
    return;
  }
  if (now() >= turn_end_ || left() < kShortestAttempt) {
    const auto asked = states_[current_].asked;
    if (asked && !all_had_turns_ && !forwarder_.order_.is_of_equals()) {
      server(current_).metrics.timeouts.add();
      server(current_).health->note_silence(*asked, now());
    }
    next_turn();
    return;
  }
  ask_again(current_);
  wait();
}

// It should have been answered by now, and somebody has asked the same: maybe we did.
void GroupForwarder::Exchange::look_for_loop() {
  const Server& suspect = server(current_);
  const Options& options = forwarder_.options_;
  const auto waited = now() - states_[current_].asked.value_or(now());
  if (probe_ || !client_.is_repeated() || left() < kShortestAttempt ||
      waited < std::min(options.turn, options.retry_interval) ||
      !suspect.health->claim_loop_probe(now())) {
    return;
  }
  send_probe(current_, LoopGuard::Domain::kOfQuestion);
}

void GroupForwarder::Exchange::send_probe(std::size_t index, LoopGuard::Domain domain) {
  probe_ = std::make_unique<LoopProbe>(forwarder_.environment_.loops, client_.query(), domain,
                                       *server(index).health);
  const unsigned number = ++last_try_;
  open_try(number, index, probe_->query, std::min(kLongestProbe, left()),
           [this, index, number, domain](const AttemptResult& /*result*/) {
             read_clock();
             forget_tries([number](const Try& open) { return open.number == number; });
             on_probe(index, domain);
           });
}

// Whatever was said to it.
void GroupForwarder::Exchange::on_probe(std::size_t index, LoopGuard::Domain domain) {
  const bool came_back = probe_->name.came_back();
  probe_.reset();
  const bool is_first = domain == LoopGuard::Domain::kOfQuestion;
  if (is_first && !came_back) {
    return;
  }
  if (is_first && left() >= kShortestAttempt && !server(index).health->is_looping(now())) {
    send_probe(index, LoopGuard::Domain::kNone);
    return;
  }
  looped_ = true;
  on_failure(index);
}

void GroupForwarder::Exchange::on_result(std::size_t index, unsigned number, AttemptResult result) {
  read_clock();
  const auto found = std::ranges::find(tries_, number, &Try::number);
  forwarder_.learn(index, result, found->sent, now());
  tries_.erase(found);
  take(index, std::move(result));
}

void GroupForwarder::Exchange::take(std::size_t index, AttemptResult result) {
  if (result.status == AttemptStatus::kTimeout) {
    timed_out_ = true;
    return;  // the time of the whole question is over, which the timer tells
  }
  if (result.status == AttemptStatus::kReply) {
    if (!forwarder_.options_.trusts_ad) {
      clear_authentic_data(result.reply);
    }
    if (!is_server_failure(result.rcode)) {
      finish(
          {.status = ForwardStatus::kReply,
           .reply = std::move(result.reply),
           .server = server(index).upstream->server().address,
           .is_stand_in = forwarder_.options_.policy == ForwardPolicy::kSequential && index != 0});
      return;
    }
    if (error_reply_.empty()) {
      error_reply_ = std::move(result.reply);
      error_server_ = server(index).upstream->server().address;
    }
  }
  on_failure(index);
}

void GroupForwarder::Exchange::on_failure(std::size_t index) {
  states_[index].failed = true;
  forget_server(index);
  if (index == current_) {
    next_turn();
  }
}

void GroupForwarder::Exchange::forget_server(std::size_t index) {
  for (const Try& open : tries_) {
    if (open.server == index) {
      server(index).upstream->cancel(open.attempt);
    }
  }
  forget_tries([index](const Try& open) { return open.server == index; });
  if (index == current_) {
    probe_.reset();
  }
}

void GroupForwarder::Exchange::finish_without_answer() {
  ForwardResult result;
  if (!client_.is_wanted()) {
    result.status = ForwardStatus::kUnwanted;
  } else if (!error_reply_.empty()) {
    result = {
        .status = ForwardStatus::kReply, .reply = std::move(error_reply_), .server = error_server_};
  } else if (looped_) {
    result.status = ForwardStatus::kLoop;
  } else {
    result.status = timed_out_ ? ForwardStatus::kTimeout : ForwardStatus::kNetworkError;
  }
  finish(std::move(result));
}

// Among equals the others' answers end a question long before a silent one's patience is over.
void GroupForwarder::Exchange::note_silent_equals() {
  std::vector<std::size_t> noted;
  for (const Try& open : tries_) {
    if (std::ranges::find(noted, open.server) != noted.end()) {
      continue;
    }
    noted.push_back(open.server);
    const TimePoint asked = states_[open.server].asked.value_or(now());
    const auto waited = now() - asked;
    RttEstimate& rtt = server(open.server).health->rtt();
    const auto usual = rtt.smoothed().value_or(std::chrono::nanoseconds(0));
    if (waited >=
        std::max<std::chrono::nanoseconds>(forwarder_.options_.retry_interval, kPatience * usual)) {
      server(open.server).metrics.timeouts.add();
      server(open.server).health->note_silence_of_equal(asked, now());
    } else if (waited > usual) {
      rtt.note(waited);  // at least
    }
  }
}

void GroupForwarder::Exchange::finish(ForwardResult result) {
  if (forwarder_.order_.is_of_equals()) {
    note_silent_equals();
  }
  ForwardClient& client = client_;
  forwarder_.exchanges_.erase(id_);  // us
  client.on_forwarded(std::move(result));
}

GroupForwarder::GroupForwarder(std::vector<std::unique_ptr<Upstream>> upstreams,
                               const Options& options, const Environment& environment)
    : options_(options),
      environment_(environment),
      order_(options.policy, {.turn = options.turn, .retry_interval = options.retry_interval},
             options.seed) {
  for (auto& upstream : upstreams) {
    auto health = environment.health.of(upstream->server());
    const UpstreamMetrics metrics = environment.metrics.upstream(upstream->server());
    healths_.push_back(health.get());
    servers_.push_back(
        {.upstream = std::move(upstream), .health = std::move(health), .metrics = metrics});
  }
}

GroupForwarder::~GroupForwarder() {
  exchanges_.clear();
  scouts_.for_each([this](SlotMap<Scout>::Id /*id*/, const Scout& scout) {
    servers_[scout.server].upstream->cancel(scout.attempt);
  });
}

void GroupForwarder::forward(ForwardClient& client) {
  if (servers_.empty()) {
    client.on_forwarded({ForwardStatus::kNoUpstream, {}});
    return;
  }
  Exchange* exchange = nullptr;
  try {
    exchange = &exchanges_.emplace(*this, client);
  } catch (const std::bad_alloc&) {
    client.on_forwarded({ForwardStatus::kNetworkError, {}});
    return;
  }
  exchange->start();
}

void GroupForwarder::send_scout(std::size_t server, Exchange& exchange) {
  Scout& scout = scouts_.emplace(exchange.query());
  scout.server = server;
  scout.sent = environment_.timers.now();
  scout.exchange = &exchange;
  try {
    exchange.add_scout(scout);
    scout.attempt = servers_[server].upstream->ask(
        scout.query, options_.total_timeout,
        [this, &scout](AttemptResult result) { on_scout(scout, std::move(result)); });
  } catch (...) {
    exchange.remove_scout(scout);
    scouts_.erase(scout.id);
    throw;
  }
}

void GroupForwarder::on_scout(Scout& scout, AttemptResult result) {
  const auto done = scouts_.take(scout.id);
  learn(scout.server, result, scout.sent, environment_.timers.now());
  if (scout.exchange != nullptr) {
    scout.exchange->take_scout(scout, scout.server, std::move(result));
  }
}

void GroupForwarder::learn(std::size_t server, const AttemptResult& result, TimePoint sent,
                           TimePoint now) {
  ServerHealth& health = *servers_[server].health;
  switch (result.status) {
    case AttemptStatus::kTimeout:
      break;
    case AttemptStatus::kNetworkError:
      health.note_refusal(now);
      break;
    case AttemptStatus::kBadReply:  // maybe after a while of trying to get the rest of it
      health.note_reply(now);
      break;
    case AttemptStatus::kReply:
      health.note_reply(now);
      health.rtt().note(now - sent);
      break;
  }
}

}  // namespace meshdns::dns
