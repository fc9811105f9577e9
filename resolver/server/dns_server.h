// The DNS server: workers that answer on every listen address. What app/ starts, feeds and stops.
//
// Control thread only, but for what the classes it is made of say. Everything given by reference
// outlives it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/answer/query_handler.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/metrics.h"
#include "resolver/resolve/shared_questions.h"
#include "resolver/server/access_list.h"
#include "resolver/server/connection_limits.h"
#include "resolver/server/listener.h"
#include "resolver/server/metrics.h"
#include "resolver/server/query_recorder.h"
#include "resolver/server/worker.h"
#include "resolver/snapshot/snapshot_holder.h"

namespace meshdns::dns {

class DnsServer {
 public:
  struct Options {
    std::size_t workers = 1;
    QueryHandler::Options handler;
    Worker::Options worker;
    InFlightLimits::Options questions;
    // Sockets are read from begin() on instead of from the start.
    bool waits = false;
    // Each worker calls it on its own thread, with its index, at least this often while it runs.
    // Nothing: never.
    std::function<void(std::size_t worker)> on_beat;
    std::chrono::milliseconds beat_interval{1000};
    // What each worker records, by its index; fewer: the others record nothing.
    std::vector<QueryRecorder::Options> record = {};
    // The total is cut to half of RLIMIT_NOFILE, so that connections never take the descriptors
    // that forwarding needs.
    ConnectionLimits::Options connections;
  };
  struct Environment {
    SocketLayer& sockets;
    ListenerSource& listeners;  // of addresses that set_listeners() adds
    const Clock& clock;
    Logger& log;
    ServerMetrics& metrics;
    ForwardMetrics& forward_metrics;
    ResolveMetrics& resolve_metrics;
    AnswerCache& cache;
    SnapshotHolder& snapshots;
  };

  // Serves at once, for loopback clients alone and without upstream servers. Where an address has
  // fewer sockets than there are workers, several share one; where it has more, a worker has
  // several.
  DnsServer(const Options& options, const Environment& environment,
            std::vector<Listener> listeners);
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer();  // stop() if that was not called

  // Reads the sockets, where Options::waits said to wait; then does nothing.
  void begin();
  // Where it listens, with real ports.
  [[nodiscard]] std::vector<SocketAddress> addresses() const;
  // Makes these the addresses: those that stay keep their sockets, new ones are bound, others let
  // go. On failure nothing has changed. Returns notes on optional addresses left out.
  [[nodiscard]] Result<std::vector<std::string>> set_listeners(
      std::span<const ListenAddress> addresses);
  // Names that are not ours go by this plan; a special name that has a route goes there, too.
  void set_plan(const std::shared_ptr<const ForwardPlan>& plan,
                KeptAnswers kept = KeptAnswers::kGo);
  // Does nothing when nothing changed.
  void set_access(AccessList access);
  // A worker moves on with its next question: it is not woken for each snapshot.
  void publish(std::unique_ptr<const Snapshot> next);
  // Frees old snapshots that no worker holds, and has workers without questions let go of theirs.
  // Now and then.
  void collect_snapshots();

  // Questions that wait for upstream, over all workers. Any thread.
  [[nodiscard]] std::size_t in_flight() const { return limits_.in_flight(); }

  // Any thread.
  [[nodiscard]] HealthBook& health() { return health_; }

  // Reads no more, answers what is open for at most the drain timeout, and ends the threads.
  void stop();

 private:
  struct Address {
    SocketAddress configured;
    SocketAddress bound;
  };
  void add(Listener listener);
  void spread(Listener listener);

  SharedQuestions questions_;
  Options options_;
  Environment environment_;
  InFlightLimits limits_;
  HealthBook health_;
  LoopGuard loops_;
  ConnectionLimits connections_;
  std::shared_ptr<const AccessList> access_;
  std::vector<Address> addresses_;
  std::vector<Listener> waiting_;  // until begin()
  std::vector<SnapshotHolder::Worker*> snapshot_workers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool waits_;
};

}  // namespace meshdns::dns
