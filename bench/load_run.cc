#include "bench/load_run.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <span>
#include <utility>
#include <vector>

#include <sys/epoll.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bench/answer_check.h"
#include "bench/load_socket.h"
#include "bench/query_feed.h"
#include "bench/query_stream.h"

namespace meshdns::bench {
namespace {

constexpr int kPollMilliseconds = 5;
constexpr std::chrono::milliseconds kExpireInterval{20};

Result<std::vector<LoadSocket>> open_sockets(const LoadOptions& options, Arrivals arrivals) {
  std::vector<LoadSocket> sockets;
  for (std::size_t i = 0; i < options.sockets; ++i) {
    auto socket = LoadSocket::open(options.server, options.slots, arrivals);
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
    const bool came = socket.receive([&](const AskedQuery& asked, Instant asked_at, Instant came_at,
                                         std::span<const std::uint8_t> answer) {
      check_.judge(asked, answer);
      on_latency(asked_at, came_at);
    }) > 0;
    if (came) {
      last_answer_ = Clock::now();
    }
    return came;
  }

  // Now and then gives up on what was asked too long ago; true when it looked.
  bool expire(Instant now) {
    if (now - expired_at_ < kExpireInterval) {
      return false;
    }
    expired_at_ = now;
    for (LoadSocket& socket : sockets_) {
      result_.lost += socket.expire(now - options_.timeout);
    }
    return true;
  }

  void sleep() { poll(polled_.data(), polled_.size(), kPollMilliseconds); }

  LoadResult finish() {
    // Not the wait for answers that never come.
    result_.elapsed = (last_answer_ > started_ ? last_answer_ : Clock::now()) - started_;
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
  Instant last_answer_ = started_;
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

// Asks with every free slot of the socket, each query in a datagram and a system call of its own.
void fill_singly(Run& run, LoadSocket& socket, SingleQueries& queries, Instant now) {
  while (run.may_send(now) && socket.free_slots() > 0) {
    QueryBatch* query = queries.next();
    if (query == nullptr) {
      run.result().stream_ended = true;
      return;
    }
    if (!socket.send(*query, now)) {
      ++run.result().skipped;
      return;
    }
    ++run.result().sent;
  }
}

// Tells which sockets have something to receive, however many there are.
class Readiness {
 public:
  static Result<Readiness> of(std::span<const LoadSocket> sockets) {
    Readiness readiness(UniqueFd(epoll_create1(EPOLL_CLOEXEC)), sockets.size());
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      if (epoll_ctl(readiness.fd_.get(), EPOLL_CTL_ADD, sockets[i].fd(), &event) != 0) {
        return tl::unexpected(errno_error(errno, "epoll_ctl"));
      }
    }
    return readiness;
  }

  // Indices in `data.u64`. Never sleeps.
  std::span<const epoll_event> look() {
    const int count =
        epoll_wait(fd_.get(), events_.data(), static_cast<int>(events_.size()), /*timeout=*/0);
    return std::span(events_).first(static_cast<std::size_t>(std::max(count, 0)));
  }

 private:
  Readiness(UniqueFd fd, std::size_t sockets) : fd_(std::move(fd)), events_(sockets) {}

  UniqueFd fd_;
  std::vector<epoll_event> events_;
};

void add_latency(LoadResult& result, Instant asked_at, Instant came_at) {
  const std::chrono::nanoseconds latency = came_at - asked_at;
  result.latency_ns.push_back(
      static_cast<std::uint32_t>(std::max<std::int64_t>(latency.count(), 0)));
}

}  // namespace

Result<LoadResult> run_saturated(const LoadOptions& options, QueryStream& stream,
                                 AnswerCheck& check) {
  auto sockets = open_sockets(options, Arrivals::kUntold);
  if (!sockets) {
    return tl::unexpected(std::move(sockets).error());
  }
  Run run(options, std::move(*sockets), check);
  PendingBatch pending(stream);
  while (true) {
    const Instant now = Clock::now();
    bool progress = false;
    for (LoadSocket& socket : run.sockets()) {
      progress |= run.receive(socket, [](Instant, Instant) {});
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
  auto sockets = open_sockets(options, Arrivals::kTold);
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
      (socket.send(*query, Clock::now()) ? result.sent : result.skipped) += 1;
    }
    for (LoadSocket& socket : run.sockets()) {
      run.receive(socket, [&result](Instant asked_at, Instant came_at) {
        add_latency(result, asked_at, came_at);
      });
    }
    run.expire(now);
    if (!run.may_send(due) && run.all_answered()) {
      return run.finish();
    }
  }
}

Result<LoadResult> run_singly(const LoadOptions& options, QueryStream& stream, AnswerCheck& check) {
  auto sockets = open_sockets(options, Arrivals::kUntold);
  if (!sockets) {
    return tl::unexpected(std::move(sockets).error());
  }
  auto readiness = Readiness::of(*sockets);
  if (!readiness) {
    return tl::unexpected(std::move(readiness).error());
  }
  Run run(options, std::move(*sockets), check);
  SingleQueries queries(stream);
  const auto fill_all = [&](Instant now) {
    for (LoadSocket& socket : run.sockets()) {
      fill_singly(run, socket, queries, now);
    }
  };
  fill_all(run.started());
  while (true) {
    for (const epoll_event& event : readiness->look()) {
      LoadSocket& socket = run.sockets()[event.data.u64];
      run.receive(socket, [&](Instant asked_at, Instant) {
        add_latency(run.result(), asked_at, Clock::now());
      });
      fill_singly(run, socket, queries, Clock::now());
    }
    const Instant now = Clock::now();
    if (run.expire(now)) {
      fill_all(now);  // nothing would wake a socket whose queries were lost
    }
    if (!run.may_send(now) && run.all_answered()) {
      return run.finish();
    }
  }
}

}  // namespace meshdns::bench
