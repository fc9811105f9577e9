// One worker: a thread with an io_context, UDP and TCP servers, a resolver, and buffers of its own.
//
// The public functions belong to the control thread; they post to the worker's and return at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/socket_layer.h"
#include "resolver/answer/query_handler.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/metrics.h"
#include "resolver/resolve/resolver.h"
#include "resolver/resolve/shared_questions.h"
#include "resolver/server/access_list.h"
#include "resolver/server/connection_limits.h"
#include "resolver/server/listener.h"
#include "resolver/server/metrics.h"
#include "resolver/server/query_recorder.h"
#include "resolver/server/tcp_server.h"
#include "resolver/snapshot/snapshot_holder.h"

namespace meshdns::dns {

// What all workers share; outlives them.
struct WorkerEnvironment {
  SocketLayer& sockets;
  const Clock& clock;
  Logger& log;
  ServerMetrics& metrics;
  ForwardMetrics& forward_metrics;
  std::shared_ptr<const QueryHandler> handler;  // until set_plan()
  ResolveMetrics& resolve_metrics;
  InFlightLimits& limits;
  SharedQuestions& questions;
  HealthBook& health;
  LoopGuard& loops;
  AnswerCache& cache;
  ConnectionLimits& connections;
};

// What becomes of answers in the cache when the way to new ones changes.
enum class KeptAnswers : std::uint8_t { kStay, kGo };

class Worker {
 public:
  struct Options {
    Resolver::Options resolver;
    TcpServer::Options tcp;
    std::size_t max_upstream_sockets = 4096;  // with a port at a time
    // Longer than a forwarded question takes at most.
    std::chrono::milliseconds drain_timeout{5000};
    // Called on the worker's thread at least so often while it runs; nothing: never.
    std::function<void()> on_beat = {};
    std::chrono::milliseconds beat_interval{1000};
    QueryRecorder::Options record = {};  // without rings: nothing is recorded
  };

  // Starts the thread. `snapshot` belongs to this worker until it is destroyed.
  Worker(const Options& options, const WorkerEnvironment& environment,
         SnapshotHolder::Worker& snapshot);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  // Ends the thread without draining, unless it has ended.
  ~Worker();

  // Serves one more pair of sockets; `address` is its name for remove_listener(), and may be that
  // of several.
  void add_listener(const SocketAddress& address, SocketPair sockets);
  // Stops reading there; open questions are still answered.
  void remove_listener(const SocketAddress& address);
  // What goes upstream goes there by `plan` from now on, and what does not is `handler`'s.
  void set_plan(std::shared_ptr<const ForwardPlan> plan,
                std::shared_ptr<const QueryHandler> handler, KeptAnswers kept);
  void set_access(std::shared_ptr<const AccessList> access);
  // Moves on to the newest snapshot, idle or not.
  void refresh_snapshot();

  // Reads no more, answers what is open for at most the drain timeout, and ends the thread.
  void begin_stop();
  void join();

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace meshdns::dns
