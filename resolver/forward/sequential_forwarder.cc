#include "resolver/forward/sequential_forwarder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/server_health.h"
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

struct SequentialForwarder::Exchange {
  Exchange(ForwardClient& asker, TimePoint end, std::size_t servers)
      : client(asker), deadline(end), has_failed(servers, false) {}

  ForwardClient& client;
  TimePoint deadline;
  unsigned round = 0;
  std::size_t next = 0;          // the server whose turn it is
  std::vector<bool> has_failed;  // servers that gave their answer, such as it was
  bool timed_out = false;
  bool looped = false;
  std::vector<std::uint8_t> error_reply;  // the first one
};

SequentialForwarder::SequentialForwarder(std::vector<std::unique_ptr<Upstream>> upstreams,
                                         const Options& options, const Environment& environment)
    : options_(options), environment_(environment) {
  for (auto& upstream : upstreams) {
    ServerHealth& health = environment.health.of(upstream->server());
    servers_.push_back({.upstream = std::move(upstream), .health = health});
  }
}

SequentialForwarder::~SequentialForwarder() = default;

void SequentialForwarder::forward(ForwardClient& client) {
  if (servers_.empty()) {
    client.on_forwarded({ForwardStatus::kNoUpstream, {}});
    return;
  }
  ask_next(std::make_shared<Exchange>(client, environment_.clock.now() + options_.total_timeout,
                                      servers_.size()));
}

bool SequentialForwarder::find_next(Exchange& exchange) const {
  const TimePoint now = environment_.clock.now();
  while (exchange.round < options_.rounds) {
    for (; exchange.next < servers_.size(); ++exchange.next) {
      const bool loops = servers_[exchange.next].health.is_looping(now);
      exchange.looped = exchange.looped || loops;
      if (!loops && !exchange.has_failed[exchange.next]) {
        return true;
      }
    }
    exchange.next = 0;
    ++exchange.round;
  }
  return false;
}

std::chrono::milliseconds SequentialForwarder::remaining(const Exchange& exchange) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(exchange.deadline -
                                                               environment_.clock.now());
}

void SequentialForwarder::ask_next(const std::shared_ptr<Exchange>& exchange) {
  const auto left = remaining(*exchange);
  if (!exchange->client.is_wanted() || left < kShortestAttempt || !find_next(*exchange)) {
    finish(exchange);
    return;
  }
  servers_[exchange->next].upstream->ask(
      exchange->client.query(), std::min(options_.attempt_timeout, left),
      [this, exchange](AttemptResult result) { on_attempt(exchange, std::move(result)); });
}

void SequentialForwarder::on_attempt(const std::shared_ptr<Exchange>& exchange,
                                     AttemptResult result) {
  if (result.status == AttemptStatus::kReply && !is_server_failure(result.rcode)) {
    exchange->client.on_forwarded({ForwardStatus::kReply, std::move(result.reply)});
    return;
  }
  if (result.status == AttemptStatus::kReply && exchange->error_reply.empty()) {
    exchange->error_reply = std::move(result.reply);
  }
  if (result.status == AttemptStatus::kTimeout) {
    exchange->timed_out = true;
    if (exchange->client.is_repeated() && remaining(*exchange) >= kShortestAttempt &&
        servers_[exchange->next].health.claim_loop_probe(environment_.clock.now())) {
      probe(exchange);
      return;
    }
  } else {
    exchange->has_failed[exchange->next] = true;
  }
  ++exchange->next;
  ask_next(exchange);
}

void SequentialForwarder::probe(const std::shared_ptr<Exchange>& exchange) {
  struct Probe {
    Probe(LoopGuard& guard, const Query& question, ServerHealth& server)
        : name(guard, question.asked_name(), server), query(question) {
      query.name = name.name();
      query.assign_question(query.name, question.qtype, question.qclass);
    }
    LoopGuard::Probe name;
    Query query;
  };
  const Server& server = servers_[exchange->next];
  const auto probe =
      std::make_shared<Probe>(environment_.loops, exchange->client.query(), server.health);
  server.upstream->ask(probe->query, std::min(kLongestProbe, remaining(*exchange)),
                       [this, exchange, probe](const AttemptResult& /*result*/) {
                         ++exchange->next;
                         ask_next(exchange);
                       });
}

void SequentialForwarder::finish(const std::shared_ptr<Exchange>& exchange) {
  ForwardResult result;
  if (!exchange->client.is_wanted()) {
    result.status = ForwardStatus::kUnwanted;
  } else if (!exchange->error_reply.empty()) {
    result = {ForwardStatus::kReply, std::move(exchange->error_reply)};
  } else if (exchange->looped) {
    result.status = ForwardStatus::kLoop;
  } else {
    result.status = exchange->timed_out ? ForwardStatus::kTimeout : ForwardStatus::kNetworkError;
  }
  exchange->client.on_forwarded(std::move(result));
}

}  // namespace meshdns::dns
