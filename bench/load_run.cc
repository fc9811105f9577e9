#include "bench/load_run.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "bench/answer_check.h"
#include "bench/load_socket.h"
#include "bench/query_stream.h"

namespace meshdns::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollMilliseconds = 5;
constexpr std::chrono::milliseconds kExpireInterval{20};

Result<std::vector<LoadSocket>> open_sockets(const LoadOptions& options) {
  std::vector<LoadSocket> sockets;
  for (std::size_t i = 0; i < options.sockets; ++i) {
    auto socket = LoadSocket::open(options.server, options.slots);
    if (!socket) {
      return tl::unexpected(std::move(socket).error());
    }
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

// What both runs share: the sockets, the judge, and the end of the waiting.
class Run {
 public:
  Run(const LoadOptions& options, std::vector<LoadSocket> sockets, AnswerCheck& check)
      : options_(options), sockets_(std::move(sockets)), check_(check) {
    for (const LoadSocket& socket : sockets_) {
      polled_.push_back({.fd = socket.fd(), .events = POLLIN, .revents = 0});
    }
  }

  [[nodiscard]] std::vector<LoadSocket>& sockets() { return sockets_; }
  [[nodiscard]] LoadResult& result() { return result_; }
  [[nodiscard]] Instant started() const { return started_; }
  [[nodiscard]] bool may_send(Instant now) const {
    return now - started_ < options_.duration && result_.sent < options_.max_queries &&
           !result_.stream_ended;
  }
  [[nodiscard]] bool all_answered() const {
    return std::ranges::all_of(sockets_, [](const auto& s) { return s.in_flight() == 0; });
  }

  // True when an answer came.
  template <typename OnLatency>
  bool receive(LoadSocket& socket, const OnLatency& on_latency) {
    if (socket.in_flight() == 0) {
      return false;
    }
    return socket.receive([&](const AskedQuery& asked, Instant asked_at,
                              std::span<const std::uint8_t> answer) {
      check_.judge(asked, answer);
      on_latency(asked_at);
    }) > 0;
  }

  void expire(Instant now) {
    if (now - expired_at_ < kExpireInterval) {
      return;
    }
    expired_at_ = now;
    for (LoadSocket& socket : sockets_) {
      result_.lost += socket.expire(now - options_.timeout);
    }
  }

  void sleep() { poll(polled_.data(), polled_.size(), kPollMilliseconds); }

  LoadResult finish() {
    result_.elapsed = Clock::now() - started_;
    std::ranges::sort(result_.latency_ns);
    return std::move(result_);
  }

 private:
  const LoadOptions& options_;
  std::vector<LoadSocket> sockets_;
  AnswerCheck& check_;
  std::vector<pollfd> polled_;
  LoadResult result_;
  Instant started_ = Clock::now();
  Instant expired_at_ = started_;
};

// A batch that was drawn and not sent yet is kept for the next try.
class PendingBatch {
 public:
  explicit PendingBatch(QueryStream& stream) : stream_(stream) {}

  // Null at the stream's end.
  QueryBatch* get() {
    if (!held_) {
      held_ = stream_.next(batch_);
    }
    return held_ ? &batch_ : nullptr;
  }
  void consume() { held_ = false; }

 private:
  QueryStream& stream_;
  QueryBatch batch_;
  bool held_ = false;
};

// Hands out the queries of batches one by one.
class SingleQueries {
 public:
  explicit SingleQueries(QueryStream& stream) : stream_(stream) {}

  // Null at the stream's end.
  QueryBatch* next() {
    if (position_ == batch_.count) {
      position_ = 0;
      if (!stream_.next(batch_)) {
        batch_.count = 0;
        return nullptr;
      }
    }
    single_.count = 1;
    single_.query_octets = batch_.query_octets;
    std::ranges::copy(batch_.query(position_), single_.octets.begin());
    single_.kinds[0] = batch_.kinds[position_];
    single_.names[0] = batch_.names[position_];
    ++position_;
    return &single_;
  }

 private:
  QueryStream& stream_;
  QueryBatch batch_;
  QueryBatch single_;
  std::size_t position_ = 0;
};

bool fill(Run& run, LoadSocket& socket, PendingBatch& pending, Instant now) {
  bool progress = false;
  while (run.may_send(now) && socket.free_slots() >= kMaxBatch) {
    QueryBatch* batch = pending.get();
    if (batch == nullptr) {
      run.result().stream_ended = true;
      break;
    }
    if (!socket.send(*batch, now)) {
      break;
    }
    run.result().sent += batch->count;
    pending.consume();
    progress = true;
  }
  return progress;
}

}  // namespace

Result<LoadResult> run_saturated(const LoadOptions& options, QueryStream& stream,
                                 AnswerCheck& check) {
  auto sockets = open_sockets(options);
  if (!sockets) {
    return tl::unexpected(std::move(sockets).error());
  }
  Run run(options, std::move(*sockets), check);
  PendingBatch pending(stream);
  while (true) {
    const Instant now = Clock::now();
    bool progress = false;
    for (LoadSocket& socket : run.sockets()) {
      progress |= run.receive(socket, [](Instant) {});
      progress |= fill(run, socket, pending, now);
    }
    run.expire(now);
    if (!run.may_send(now) && run.all_answered()) {
      return run.finish();
    }
    if (!progress) {
      run.sleep();
    }
  }
}

Result<LoadResult> run_at_rate(const LoadOptions& options, std::uint64_t rate, QueryStream& stream,
                               AnswerCheck& check) {
  auto sockets = open_sockets(options);
  if (!sockets) {
    return tl::unexpected(std::move(sockets).error());
  }
  Run run(options, std::move(*sockets), check);
  LoadResult& result = run.result();
  SingleQueries queries(stream);
  const auto interval = std::chrono::duration_cast<Clock::duration>(std::chrono::seconds(1)) / rate;
  Instant due = run.started();
  std::size_t turn = 0;
  while (true) {
    const Instant now = Clock::now();
    for (; due <= now && run.may_send(due); due += interval) {
      LoadSocket& socket = run.sockets()[turn++ % run.sockets().size()];
      if (socket.free_slots() == 0) {
        ++result.skipped;
        continue;
      }
      QueryBatch* query = queries.next();
      if (query == nullptr) {
        result.stream_ended = true;
        break;
      }
      // A query that the socket did not take counts as skipped too: the load must not wait.
      (socket.send(*query, due) ? result.sent : result.skipped) += 1;
    }
    for (LoadSocket& socket : run.sockets()) {
      run.receive(socket, [&result](Instant asked_at) {
        result.latency_ns.push_back(static_cast<std::uint32_t>((Clock::now() - asked_at).count()));
      });
    }
    run.expire(now);
    if (!run.may_send(due) && run.all_answered()) {
      return run.finish();
    }
  }
}

}  // namespace meshdns::bench
