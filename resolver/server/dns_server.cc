#include "resolver/server/dns_server.h"

#include <algorithm>
#include <cstddef>
#include <fcntl.h>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/resource.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/answer/query_handler.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/server/access_list.h"
#include "resolver/server/connection_limits.h"
#include "resolver/server/listener.h"
#include "resolver/server/worker.h"
#include "resolver/snapshot/snapshot.h"

namespace meshdns::dns {
namespace {

// So many snapshots are kept before workers without questions are woken to let them go.
constexpr std::size_t kMostGenerations = 4;

// One part of the descriptors in so many is for clients' connections. The rest is for us: questions
// to upstream servers each may take one, and a library that gets none may end the process.
constexpr rlim_t kClientShare = 4;
// One part in so many is for questions to upstream servers over UDP, over all workers.
constexpr rlim_t kUpstreamShare = 2;

ConnectionLimits::Options within_descriptors(ConnectionLimits::Options options) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    options.total = std::min<std::size_t>(options.total, limit.rlim_cur / kClientShare);
  }
  return options;
}

int duplicate(int fd) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): fcntl(2) is declared so.
  return ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

Worker::Options within_descriptors(Worker::Options options, std::size_t workers) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    options.max_upstream_sockets = std::min<std::size_t>(options.max_upstream_sockets,
                                                         limit.rlim_cur / kUpstreamShare / workers);
  }
  return options;
}

}  // namespace

DnsServer::DnsServer(const Options& options, const Environment& environment,
                     std::vector<Listener> listeners)
    : options_(options),
      environment_(environment),
      limits_(options.questions),
      loops_(environment.clock, environment.log, environment.forward_metrics),
      connections_(within_descriptors(options.connections)),
      access_(std::make_shared<const AccessList>()),
      waits_(options.waits) {
  const WorkerEnvironment shared{.sockets = environment.sockets,
                                 .clock = environment.clock,
                                 .log = environment.log,
                                 .metrics = environment.metrics,
                                 .forward_metrics = environment.forward_metrics,
                                 .handler = std::make_shared<const QueryHandler>(options.handler),
                                 .resolve_metrics = environment.resolve_metrics,
                                 .limits = limits_,
                                 .questions = questions_,
                                 .health = health_,
                                 .loops = loops_,
                                 .cache = environment.cache,
                                 .connections = connections_};
  for (std::size_t i = 0; i < options.workers; ++i) {
    snapshot_workers_.push_back(&environment.snapshots.register_worker());
    Worker::Options worker = within_descriptors(options.worker, options.workers);
    if (options.on_beat) {
      worker.on_beat = [beat = options.on_beat, i] { beat(i); };
      worker.beat_interval = options.beat_interval;
    }
    if (i < options.record.size()) {
      worker.record = options.record[i];
    }
    workers_.push_back(std::make_unique<Worker>(worker, shared, *snapshot_workers_.back()));
  }
  for (Listener& listener : listeners) {
    add(std::move(listener));
  }
}

DnsServer::~DnsServer() { stop(); }

void DnsServer::add(Listener listener) {
  addresses_.push_back({listener.configured, listener.bound});
  if (waits_) {
    waiting_.push_back(std::move(listener));
  } else {
    spread(std::move(listener));
  }
}

void DnsServer::begin() {
  waits_ = false;
  for (Listener& listener : std::exchange(waiting_, {})) {
    spread(std::move(listener));
  }
}

void DnsServer::spread(Listener listener) {
  std::vector<SocketPair>& pairs = listener.sockets;
  const std::size_t own = pairs.size();
  for (std::size_t i = own; i < workers_.size(); ++i) {
    const SocketPair& shared = pairs[i % own];
    SocketPair copy{.udp = UniqueFd(duplicate(shared.udp.get())),
                    .tcp = UniqueFd(duplicate(shared.tcp.get()))};
    if (copy.udp.valid() && copy.tcp.valid()) {  // else the others read it alone
      pairs.push_back(std::move(copy));
    }
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    workers_[i % workers_.size()]->add_listener(listener.bound, std::move(pairs[i]));
  }
}

std::vector<SocketAddress> DnsServer::addresses() const {
  std::vector<SocketAddress> bound;
  bound.reserve(addresses_.size());
  for (const Address& address : addresses_) {
    bound.push_back(address.bound);
  }
  return bound;
}

Result<std::vector<std::string>> DnsServer::set_listeners(
    std::span<const ListenAddress> addresses) {
  const auto is_wanted = [&](const Address& held) {
    return std::ranges::any_of(
        addresses, [&](const ListenAddress& wanted) { return wanted.address == held.configured; });
  };
  std::vector<ListenAddress> missing;
  for (const ListenAddress& wanted : addresses) {
    if (std::ranges::find(addresses_, wanted.address, &Address::configured) != addresses_.end()) {
      continue;
    }
    // The old one is let go only once the new one is there.
    const auto held = std::ranges::find_if(
        addresses_, [&wanted](const Address& one) { return overlap(one.bound, wanted.address); });
    if (held != addresses_.end()) {
      return fail(ErrorCode::kAlreadyExists,
                  fmt::format("cannot listen on {} while this resolver listens on {}, of which one "
                              "includes the other: that takes a restart",
                              wanted.address.to_string(), held->bound.to_string()));
    }
    missing.push_back(wanted);
  }
  std::vector<std::string> notes;
  if (!missing.empty()) {
    auto bound = environment_.listeners.bind(missing);
    const bool only_optional = std::ranges::all_of(missing, &ListenAddress::optional);
    if (!bound && !(only_optional && std::ranges::any_of(addresses_, is_wanted))) {
      return tl::unexpected(std::move(bound.error()));
    }
    if (bound) {
      notes = std::move(bound->notes);
      for (Listener& listener : bound->listeners) {
        add(std::move(listener));
      }
    } else {
      notes.push_back(std::move(bound.error().message));
    }
  } else if (addresses.empty()) {
    return fail(ErrorCode::kInvalidArgument, "no address to listen on is configured");
  }
  std::erase_if(addresses_, [&](const Address& held) {
    if (is_wanted(held)) {
      return false;
    }
    for (const auto& worker : workers_) {
      worker->remove_listener(held.bound);
    }
    std::erase_if(waiting_, [&](const Listener& one) { return one.configured == held.configured; });
    environment_.listeners.release(held.configured);
    return true;
  });
  return notes;
}

void DnsServer::set_plan(const std::shared_ptr<const ForwardPlan>& plan, KeptAnswers kept) {
  QueryHandler::Options options = options_.handler;
  options.special_names.routed = plan->routes.suffixes();
  const auto handler = std::make_shared<const QueryHandler>(options);
  for (const auto& worker : workers_) {
    worker->set_plan(plan, handler, kept);
  }
}

void DnsServer::set_access(AccessList access) {
  if (access == *access_) {
    return;
  }
  access_ = std::make_shared<const AccessList>(std::move(access));
  for (const auto& worker : workers_) {
    worker->set_access(access_);
  }
}

void DnsServer::publish(std::unique_ptr<const Snapshot> next) {
  environment_.snapshots.publish(std::move(next));
  if (environment_.snapshots.live_generations() > kMostGenerations) {
    collect_snapshots();
  }
}

void DnsServer::collect_snapshots() {
  environment_.snapshots.collect();
  if (environment_.snapshots.live_generations() > 1) {
    for (const auto& worker : workers_) {
      worker->refresh_snapshot();
    }
  }
}

void DnsServer::stop() {
  for (const auto& worker : workers_) {
    worker->begin_stop();
  }
  for (const auto& worker : workers_) {
    worker->join();
  }
  workers_.clear();
  for (SnapshotHolder::Worker* const worker : snapshot_workers_) {
    environment_.snapshots.unregister_worker(*worker);
  }
  snapshot_workers_.clear();
}

}  // namespace meshdns::dns
