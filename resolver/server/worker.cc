#include "resolver/server/worker.h"

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "base/core_share.h"
#include "base/ip_address.h"
#include "resolver/answer/query_handler.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/random_ids.h"
#include "resolver/forward/stream_upstream.h"
#include "resolver/forward/timer_driver.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/udp_sockets.h"
#include "resolver/forward/udp_upstream.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/resolve/resolver.h"
#include "resolver/server/access_list.h"
#include "resolver/server/datagram_batch.h"
#include "resolver/server/listener.h"
#include "resolver/server/query_recorder.h"
#include "resolver/server/tcp_server.h"
#include "resolver/server/udp_server.h"
#include "resolver/server/worker_context.h"
#include "resolver/snapshot/snapshot_holder.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

// How often a draining worker looks whether it is done.
constexpr std::chrono::milliseconds kDrainInterval{10};

}  // namespace

// Everything below is used by the worker's thread alone once that runs. The io_context comes first,
// so that it outlives what waits on it.
struct Worker::State {
  State(const Options& given, const WorkerEnvironment& shared, SnapshotHolder::Worker& snapshot)
      : options(given),
        environment(shared),
        work(io.get_executor()),
        stream_buffer(kMaxMessageOctets),
        timers(deadline_clock),
        timer_driver(io, timers),
        recorder(given.record),
        udp_sockets(given.max_upstream_sockets, io, shared.sockets),
        resolver(given.resolver,
                 {.io = io,
                  .timers = timers,
                  .make_upstream =
                      [this](const PreparedServer& server) { return make_upstream(server); },
                  .clock = shared.clock,
                  .metrics = shared.resolve_metrics,
                  .forward_metrics = shared.forward_metrics,
                  .limits = shared.limits,
                  .questions = shared.questions,
                  .health = shared.health,
                  .loops = shared.loops,
                  .cache = shared.cache}),
        context{.io = io,
                .sockets = shared.sockets,
                .clock = shared.clock,
                .log = shared.log,
                .metrics = shared.metrics,
                .handler = shared.handler,
                .snapshot = snapshot,
                .resolver = resolver,
                .recorder = recorder_in_use(),
                .access = std::make_shared<const AccessList>(),
                .datagrams = datagrams,
                .stream_buffer = stream_buffer},
        drain_timer(io),
        beat_timer(io) {}

  struct Servers {
    std::shared_ptr<UdpServer> udp;
    std::unique_ptr<TcpServer> tcp;
  };

  QueryRecorder* recorder_in_use() {
    const bool records = options.record.log != nullptr || options.record.dnstap != nullptr;
    return records ? &recorder : nullptr;
  }

  std::unique_ptr<Upstream> make_upstream(const PreparedServer& server) {
    const UpstreamMetrics metrics = environment.forward_metrics.upstream(server.server);
    auto stream = std::make_unique<StreamUpstream>(
        server,
        StreamUpstream::Environment{
            .io = io, .timers = timers, .log = environment.log, .tap = recorder.upstream_tap()},
        metrics);
    if (server.server.transport != UpstreamTransport::kUdp) {
      return stream;
    }
    return std::make_unique<UdpUpstream>(std::move(stream),
                                         UdpUpstream::Environment{.sockets = udp_sockets,
                                                                  .timers = timers,
                                                                  .random = random,
                                                                  .tap = recorder.upstream_tap()},
                                         metrics);
  }

  void run() {
    take_short_turns();  // ahead of the control thread where they share a core
    for (;;) {
      try {
        while (io.run_one() != 0) {
          send_replies();
        }
        return;
      } catch (const std::exception& error) {  // out of memory above all: drop it and go on
        context.log.error("a worker's step failed reason={}", error.what());
      }
    }
  }

  void send_replies() {
    for (const auto& server : context.with_replies) {
      server->send_replies();
    }
    context.with_replies.clear();
  }

  static void stop(Servers& servers) {
    servers.udp->stop();
    servers.tcp->stop();
  }

  void remove(const SocketAddress& address) {
    const auto [first, last] = servers.equal_range(address);
    for (auto found = first; found != last; ++found) {
      stop(found->second);
      removed.push_back(std::move(found->second.tcp));
    }
    servers.erase(first, last);
    std::erase_if(removed, [](const auto& server) { return server->open_connections() == 0; });
  }

  void beat() {
    options.on_beat();
    beat_timer.expires_after(options.beat_interval);
    beat_timer.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        beat();
      }
    });
  }

  void begin_drain() {
    if (draining) {
      return;
    }
    draining = true;
    drain_end = std::chrono::steady_clock::now() + options.drain_timeout;
    for (auto& [address, pair] : servers) {
      stop(pair);
    }
    drain();
  }

  void drain() {
    std::size_t connections = 0;
    for (const auto& [address, pair] : servers) {
      connections += pair.tcp->open_connections();
    }
    for (const auto& server : removed) {
      connections += server->open_connections();
    }
    const bool done = resolver.in_flight() == 0 && connections == 0;
    if (done || std::chrono::steady_clock::now() >= drain_end) {
      io.stop();
      return;
    }
    drain_timer.expires_after(kDrainInterval);
    drain_timer.async_wait([this](const boost::system::error_code& /*error*/) { drain(); });
  }

  Options options;
  WorkerEnvironment environment;
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  DatagramBatch datagrams;
  std::vector<std::uint8_t> stream_buffer;
  SystemClock deadline_clock;  // that of the timers which run the queue
  TimerQueue timers;
  TimerDriver timer_driver;
  QueryRecorder recorder;
  UdpSockets udp_sockets;
  RandomIds random;
  Resolver resolver;
  WorkerContext context;
  std::multimap<SocketAddress, Servers> servers;
  std::vector<std::unique_ptr<TcpServer>> removed;  // with connections still open
  boost::asio::steady_timer drain_timer;
  boost::asio::steady_timer beat_timer;
  std::chrono::steady_clock::time_point drain_end;
  bool draining = false;
};

Worker::Worker(const Options& options, const WorkerEnvironment& environment,
               SnapshotHolder::Worker& snapshot)
    : state_(std::make_unique<State>(options, environment, snapshot)) {
  // Signals are the control thread's: the new thread inherits a mask of all.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  if (options.on_beat) {
    boost::asio::post(state_->io, [state = state_.get()] { state->beat(); });
  }
  thread_ = std::thread([state = state_.get()] { state->run(); });
  pthread_setname_np(thread_.native_handle(), "worker");  // for `top -H`
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Worker::~Worker() {
  state_->io.stop();
  join();
}

void Worker::add_listener(const SocketAddress& address, SocketPair sockets) {
  // A posted function must be copyable or movable; descriptors move.
  boost::asio::post(
      state_->io, [state = state_.get(), address, pair = std::move(sockets)]() mutable {
        State::Servers servers{
            .udp = std::make_shared<UdpServer>(state->context, std::move(pair.udp)),
            .tcp = std::make_unique<TcpServer>(state->context, state->environment.connections,
                                               state->options.tcp, std::move(pair.tcp))};
        servers.udp->start();
        servers.tcp->start();
        state->servers.emplace(address, std::move(servers));
      });
}

void Worker::remove_listener(const SocketAddress& address) {
  boost::asio::post(state_->io, [state = state_.get(), address] { state->remove(address); });
}

void Worker::set_plan(std::shared_ptr<const ForwardPlan> plan,
                      std::shared_ptr<const QueryHandler> handler, KeptAnswers kept) {
  boost::asio::post(state_->io, [state = state_.get(), next = std::move(plan),
                                 next_handler = std::move(handler), kept] {
    state->resolver.set_plan(next);
    state->context.handler = next_handler;
    if (kept == KeptAnswers::kGo) {
      // By each worker, after it has changed: nothing that an earlier plan's servers say comes in
      // after the last of them.
      state->environment.cache.flush(NameView(), true);
    }
  });
}

void Worker::set_access(std::shared_ptr<const AccessList> access) {
  boost::asio::post(state_->io, [state = state_.get(), list = std::move(access)] {
    state->context.access = list;
  });
}

void Worker::refresh_snapshot() {
  boost::asio::post(state_->io, [state = state_.get()] { state->context.snapshot.refresh(); });
}

void Worker::begin_stop() {
  boost::asio::post(state_->io, [state = state_.get()] { state->begin_drain(); });
}

void Worker::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace meshdns::dns
