#include "resolver/forward/sequential_forwarder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {
namespace {

// Less time than this is not worth a question.
constexpr std::chrono::milliseconds kShortestAttempt{20};

// What one server said that another may say better.
bool is_server_failure(std::uint16_t rcode) {
  return rcode == rcode::kFormErr || rcode == rcode::kServFail || rcode == rcode::kNotImp ||
         rcode == rcode::kRefused || rcode > flag::kRcodeMask;
}

}  // namespace

struct SequentialForwarder::Exchange {
  Exchange(const Query& question, OnForward when_done, TimePoint end, std::size_t servers)
      : query(question), done(std::move(when_done)), deadline(end), has_failed(servers, false) {}

  const Query& query;
  OnForward done;
  TimePoint deadline;
  unsigned round = 0;
  std::size_t next = 0;          // the server whose turn it is
  std::vector<bool> has_failed;  // servers that gave their answer, such as it was
  bool timed_out = false;
  bool cancelled = false;
  std::vector<std::uint8_t> error_reply;  // the first one
};

SequentialForwarder::SequentialForwarder(std::vector<std::unique_ptr<Upstream>> upstreams,
                                         const Options& options, const Clock& clock)
    : options_(options), clock_(clock), upstreams_(std::move(upstreams)) {}

SequentialForwarder::~SequentialForwarder() = default;

SequentialForwarder::Ticket SequentialForwarder::forward(const Query& query, OnForward done) {
  if (upstreams_.empty()) {
    done({ForwardStatus::kNoUpstream, {}});
    return {};
  }
  auto exchange = std::make_shared<Exchange>(
      query, std::move(done), clock_.now() + options_.total_timeout, upstreams_.size());
  ask_next(exchange);
  return exchange;
}

void SequentialForwarder::cancel(const Ticket& ticket) {
  if (const auto exchange = ticket.lock()) {
    exchange->cancelled = true;
  }
}

bool SequentialForwarder::find_next(Exchange& exchange) const {
  while (exchange.round < options_.rounds) {
    for (; exchange.next < upstreams_.size(); ++exchange.next) {
      if (!exchange.has_failed[exchange.next]) {
        return true;
      }
    }
    exchange.next = 0;
    ++exchange.round;
  }
  return false;
}

void SequentialForwarder::ask_next(const std::shared_ptr<Exchange>& exchange) {
  const auto remaining =
      std::chrono::duration_cast<std::chrono::milliseconds>(exchange->deadline - clock_.now());
  if (exchange->cancelled || remaining < kShortestAttempt || !find_next(*exchange)) {
    finish(exchange);
    return;
  }
  upstreams_[exchange->next]->ask(
      exchange->query, std::min(options_.attempt_timeout, remaining),
      [this, exchange](AttemptResult result) { on_attempt(exchange, std::move(result)); });
}

void SequentialForwarder::on_attempt(const std::shared_ptr<Exchange>& exchange,
                                     AttemptResult result) {
  if (result.status == AttemptStatus::kReply && !is_server_failure(result.rcode)) {
    exchange->done({ForwardStatus::kReply, std::move(result.reply)});
    return;
  }
  if (result.status == AttemptStatus::kReply && exchange->error_reply.empty()) {
    exchange->error_reply = std::move(result.reply);
  }
  if (result.status == AttemptStatus::kTimeout) {
    exchange->timed_out = true;
  } else {
    exchange->has_failed[exchange->next] = true;
  }
  ++exchange->next;
  ask_next(exchange);
}

void SequentialForwarder::finish(const std::shared_ptr<Exchange>& exchange) {
  ForwardResult result;
  if (exchange->cancelled) {
    result.status = ForwardStatus::kCancelled;
  } else if (!exchange->error_reply.empty()) {
    result = {ForwardStatus::kReply, std::move(exchange->error_reply)};
  } else {
    result.status = exchange->timed_out ? ForwardStatus::kTimeout : ForwardStatus::kNetworkError;
  }
  exchange->done(std::move(result));
}

}  // namespace meshdns::dns
