#include "resolver/forward/sequential_forwarder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {
namespace {

// Less time than this is not worth a question.
constexpr std::chrono::milliseconds kShortestAttempt{20};
// A question that goes round takes no longer than one that does not.
constexpr std::chrono::milliseconds kLongestProbe{500};

// What one server said that another may say better.
bool is_server_failure(std::uint16_t rcode) {
  return rcode == rcode::kFormErr || rcode == rcode::kServFail || rcode == rcode::kNotImp ||
         rcode == rcode::kRefused || rcode > flag::kRcodeMask;
}

}  // namespace

// One question on its way.
class SequentialForwarder::Exchange final : public TimerQueue::Timer {
 public:
  Exchange(SequentialForwarder& forwarder, ForwardClient& client)
      : Timer(forwarder.environment_.timers),
        forwarder_(forwarder),
        client_(client),
        end_(now() + forwarder.options_.total_timeout),
        states_(forwarder.servers_.size()) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() override {
    for (const Try& open : tries_) {
      server(open.server).upstream->cancel(open.attempt);
    }
  }

  void start() {
    arrange();
    ask_returning();
    next_turn();
  }
  void on_due() override;

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
  };
  // Asks a server for a name that will come back if the server leads to us.
  struct LoopProbe {
    LoopProbe(LoopGuard& guard, const Query& question, ServerHealth& server)
        : name(guard, question.asked_name(), server), query(question) {
      query.name = name.name();
      query.assign_question(query.name, question.qtype, question.qclass);
    }
    LoopGuard::Probe name;
    Query query;
  };

  [[nodiscard]] TimePoint now() const { return forwarder_.environment_.timers.now(); }
  [[nodiscard]] Server& server(std::size_t index) const { return forwarder_.servers_[index]; }
  [[nodiscard]] std::chrono::milliseconds left() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(end_ - now());
  }

  void arrange();
  void ask_returning();
  void next_turn();
  [[nodiscard]] bool find_next();
  void ask(std::size_t index);
  void wait();
  void look_for_loop();
  void on_result(std::size_t index, unsigned number, AttemptResult result);
  void on_failure(std::size_t index);
  void forget_tries(std::size_t index);
  void finish_without_answer();
  void finish(ForwardResult result);

  SequentialForwarder& forwarder_;
  ForwardClient& client_;
  const TimePoint end_;
  std::vector<std::size_t> order_;  // in which the servers have their turns
  std::vector<ServerState> states_;
  std::vector<Try> tries_;  // open ones
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

// Servers that are up first, each kind in its configured order.
void SequentialForwarder::Exchange::arrange() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    order_.push_back(i);
  }
  std::ranges::stable_partition(order_,
                                [this](std::size_t i) { return !server(i).health.is_down(now()); });
}

// Only servers before the first one that is up: another's early answer must not count, and its
// return changes nothing.
void SequentialForwarder::Exchange::ask_returning() {
  for (std::size_t i = 0; i < order_.front(); ++i) {
    ServerHealth& health = server(i).health;
    if (!health.is_looping(now()) && health.claim_return(now())) {
      ask(i);
    }
  }
}

bool SequentialForwarder::Exchange::find_next() {
  for (int round = 0; round < 2; ++round) {
    for (; next_ < order_.size(); ++next_) {
      const std::size_t index = order_[next_];
      const bool loops = server(index).health.is_looping(now());
      looped_ = looped_ || loops;
      if (!loops && !states_[index].failed) {
        return true;
      }
    }
    next_ = 0;
    all_had_turns_ = true;
    if (!error_reply_.empty()) {
      return false;  // somebody spoke: the silent ones get no second turn
    }
  }
  return false;
}

void SequentialForwarder::Exchange::next_turn() {
  if (!client_.is_wanted() || left() < kShortestAttempt || !find_next()) {
    finish_without_answer();
    return;
  }
  current_ = order_[next_++];
  const Options& options = forwarder_.options_;
  turn_end_ =
      now() + (all_had_turns_ ? std::min(options.turn, options.retry_interval) : options.turn);
  if (!all_had_turns_ || server(current_).health.take_retry(now())) {
    ask(current_);
  }
  wait();
}

void SequentialForwarder::Exchange::ask(std::size_t index) {
  ServerState& state = states_[index];
  state.asked = state.asked.value_or(now());
  const unsigned number = ++last_try_;
  const AttemptId attempt = server(index).upstream->ask(
      client_.query(), left(),
      [this, index, number](AttemptResult result) { on_result(index, number, std::move(result)); });
  tries_.push_back({.number = number, .server = index, .attempt = attempt});
}

void SequentialForwarder::Exchange::wait() {
  const auto retry = now() + forwarder_.options_.retry_interval;
  forwarder_.environment_.timers.schedule(*this, std::min({retry, turn_end_, end_}));
}

void SequentialForwarder::Exchange::on_due() {
  if (!client_.is_wanted()) {
    finish({ForwardStatus::kUnwanted, {}});
    return;
  }
  timed_out_ = true;
  look_for_loop();
  if (server(current_).health.is_looping(now())) {
    looped_ = true;
    on_failure(current_);
    return;
  }
  if (now() >= turn_end_ || left() < kShortestAttempt) {
    if (const auto asked = states_[current_].asked) {
      server(current_).metrics.timeouts.add();
      server(current_).health.note_silence(*asked, now());
    }
    next_turn();
    return;
  }
  if (server(current_).health.take_retry(now())) {
    ask(current_);
  }
  wait();
}

// It should have been answered by now, and somebody has asked the same: maybe we did.
void SequentialForwarder::Exchange::look_for_loop() {
  Server& suspect = server(current_);
  if (probe_ || !client_.is_repeated() || left() < kShortestAttempt ||
      !suspect.health.claim_loop_probe(now())) {
    return;
  }
  probe_ =
      std::make_unique<LoopProbe>(forwarder_.environment_.loops, client_.query(), suspect.health);
  const unsigned number = ++last_try_;
  const AttemptId attempt = suspect.upstream->ask(
      probe_->query, std::min(kLongestProbe, left()),
      [this, index = current_, number](const AttemptResult& /*result*/) {
        std::erase_if(tries_, [number](const Try& open) { return open.number == number; });
        probe_.reset();
        if (server(index).health.is_looping(now())) {
          looped_ = true;
          on_failure(index);
        }
      });
  tries_.push_back({.number = number, .server = current_, .attempt = attempt});
}

void SequentialForwarder::Exchange::on_result(std::size_t index, unsigned number,
                                              AttemptResult result) {
  std::erase_if(tries_, [number](const Try& open) { return open.number == number; });
  ServerHealth& health = server(index).health;
  switch (result.status) {
    case AttemptStatus::kTimeout:
      timed_out_ = true;
      return;  // the time of the whole question is over, which the timer tells
    case AttemptStatus::kNetworkError:
      health.note_refusal(now());
      break;
    case AttemptStatus::kBadReply:
      health.note_reply(now());
      break;
    case AttemptStatus::kReply:
      health.note_reply(now());
      if (!is_server_failure(result.rcode)) {
        finish({.status = ForwardStatus::kReply,
                .reply = std::move(result.reply),
                .server = server(index).upstream->server()});
        return;
      }
      if (error_reply_.empty()) {
        error_reply_ = std::move(result.reply);
        error_server_ = server(index).upstream->server();
      }
      break;
  }
  on_failure(index);
}

void SequentialForwarder::Exchange::on_failure(std::size_t index) {
  states_[index].failed = true;
  forget_tries(index);
  if (index == current_) {
    next_turn();
  }
}

void SequentialForwarder::Exchange::forget_tries(std::size_t index) {
  std::erase_if(tries_, [&](const Try& open) {
    if (open.server == index) {
      server(index).upstream->cancel(open.attempt);
    }
    return open.server == index;
  });
  if (index == current_) {
    probe_.reset();
  }
}

void SequentialForwarder::Exchange::finish_without_answer() {
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

void SequentialForwarder::Exchange::finish(ForwardResult result) {
  ForwardClient& client = client_;
  forwarder_.exchanges_.erase(this);  // us
  client.on_forwarded(std::move(result));
}

SequentialForwarder::SequentialForwarder(std::vector<std::unique_ptr<Upstream>> upstreams,
                                         const Options& options, const Environment& environment)
    : options_(options), environment_(environment) {
  for (auto& upstream : upstreams) {
    ServerHealth& health = environment.health.of(upstream->server());
    const UpstreamMetrics metrics = environment.metrics.upstream(upstream->server());
    servers_.push_back({.upstream = std::move(upstream), .health = health, .metrics = metrics});
  }
}

SequentialForwarder::~SequentialForwarder() = default;

void SequentialForwarder::forward(ForwardClient& client) {
  if (servers_.empty()) {
    client.on_forwarded({ForwardStatus::kNoUpstream, {}});
    return;
  }
  auto exchange = std::make_unique<Exchange>(*this, client);
  Exchange& begun = *exchange;
  exchanges_.emplace(&begun, std::move(exchange));
  begun.start();
}

}  // namespace meshdns::dns
