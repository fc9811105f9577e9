#include "resolver/app/dns_front.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <sched.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "resolver/app/config.h"
#include "resolver/app/keeper.h"
#include "resolver/app/query_taps.h"
#include "resolver/app/route_text.h"
#include "resolver/app/setting_text.h"
#include "resolver/app/static_files.h"
#include "resolver/app/upstream_listing.h"
#include "resolver/app/upstream_selection.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/server/access_list.h"
#include "resolver/server/dns_server.h"
#include "resolver/server/listener.h"
#include "resolver/server/worker.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

constexpr unsigned kMaxWorkers = 256;
constexpr std::size_t kCpuMaxBytes = 128;

// The host's addresses, or none with a warning: loopback stays allowed.
std::vector<IpAddress> host_addresses(Logger& log) {
  auto addresses = read_host_addresses();
  if (!addresses) {
    log.warn("{}", escape_text(addresses.error().message));
    return {};
  }
  std::ranges::sort(*addresses);
  return *std::move(addresses);
}

// `source` is a FileSystem or FileTexts.
template <typename Source>
Result<std::shared_ptr<const StaticRecords>> read_records(const Config& config, Source& source,
                                                          const ZoneSet& zones) {
  return load_static_files(source, config.records.zone_files, config.records.hosts_files, zones,
                           static_cast<std::uint32_t>(config.ttl.count()));
}

// A route inside of a zone of ours, a pool's reverse zone above all, would never be reached.
Result<void> check_owned(const Config& config, const ZoneSet& zones) {
  for (const ConfiguredRoute& route : config.upstreams.routes) {
    const auto suffix = Name::from_text(route.suffix);
    const OwnedZone* const zone = suffix ? zones.find(*suffix).zone : nullptr;
    if (zone != nullptr) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("upstreams.routes: {} lies in {}, which is answered here and never "
                              "forwarded (remove the route)",
                              route.suffix, zone->name.to_text()));
    }
  }
  return {};
}

// An empty table, with the static records of a FileSystem or of FileTexts.
template <typename Source>
Result<std::unique_ptr<SnapshotBuilder>> build(const Config& config, Source& records_from) {
  SnapshotBuilder::Options options;
  options.owned_zones = config.zones;
  if (config.uses_istio()) {
    options.shared_zones = {config.istio.domain};
  }
  options.vip_pools = vip_pools(config);
  options.https_records = config.https_records;
  options.times.ttl = static_cast<std::uint32_t>(config.ttl.count());
  auto builder = SnapshotBuilder::create(options);
  if (!builder) {
    return builder;
  }
  if (auto checked = check_owned(config, (*builder)->zones()); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  auto records = read_records(config, records_from, (*builder)->zones());
  if (!records) {
    return tl::unexpected(std::move(records.error()));
  }
  (*builder)->set_static_records(*std::move(records));
  return builder;
}

}  // namespace

std::vector<ListenAddress> wanted_addresses(const Config& config) {
  std::vector<ListenAddress> wanted;
  wanted.reserve(config.listen.size());
  for (const SocketAddress& address : config.listen) {
    wanted.push_back({.address = address, .optional = config.listen_is_default});
  }
  return wanted;
}

unsigned worker_count(unsigned configured, FileSystem& files) {
  if (configured != 0) {
    return configured;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cpus = 1;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    cpus = static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  }
  // cgroup v2: "QUOTA PERIOD" in microseconds, or "max PERIOD".
  const auto limit = read_file(files, "/sys/fs/cgroup/cpu.max", kCpuMaxBytes);
  if (limit) {
    const std::size_t space = limit->find(' ');
    const auto quota = parse_number(limit->substr(0, space), 1, UINT64_MAX / 2);
    const auto period =
        space == std::string::npos
            ? quota
            : parse_number(limit->substr(space + 1, limit->find('\n') - space - 1), 1, UINT32_MAX);
    if (quota && period) {
      const auto whole = (*quota + *period - 1) / *period;
      cpus = static_cast<unsigned>(std::min<std::uint64_t>(cpus, whole));
    }
  }
  return std::min(cpus, kMaxWorkers);
}

std::vector<IpPrefix> vip_pools(const Config& config) {
  if (config.uses_kuma()) {
    // Where Kuma's own addresses are: 241/8 to 243/8, and the beginning of its old pool 240/4.
    return {IpPrefix::parse("240.0.0.0/6").value()};
  }
  if (config.uses_istio()) {
    return {};  // istiod gives the addresses, of whatever kind, and has no names for them
  }
  std::vector<IpPrefix> pools{config.vip.ipv4_pool};
  if (config.vip.ipv6) {
    pools.push_back(config.vip.ipv6_pool);
  }
  return pools;
}

Result<std::unique_ptr<SnapshotBuilder>> make_builder(const Config& config, FileSystem& files) {
  return build(config, files);
}

DnsFront::DnsFront(Config config, const Environment& environment,
                   std::unique_ptr<SnapshotBuilder> builder)
    : config_(std::move(config)),
      environment_(environment),
      server_metrics_(environment.registry),
      forward_metrics_(environment.registry),
      resolve_metrics_(environment.registry),
      cache_(config_.cache, HashKey::random()),
      builder_(std::move(builder)),
      snapshots_(builder_->build()) {}

Result<std::unique_ptr<DnsFront>> DnsFront::open(const Config& config,
                                                 const Environment& environment,
                                                 KeptSockets& sockets) {
  auto builder = make_builder(config, environment.files);
  std::string note;
  if (!builder && environment.kept) {
    note = fmt::format("what the files of records held before is answered: {}",
                       builder.error().message);
    environment.log.error("{}", escape_text(note));
    builder = build(config, *environment.kept);
  }
  if (!builder) {
    return tl::unexpected(std::move(builder.error()));
  }
  std::unique_ptr<DnsFront> front(new DnsFront(config, environment, std::move(*builder)));
  front->records_note_ = std::move(note);
  front->tell_records();
  std::vector<SocketAddress> bound;
  std::ranges::transform(sockets.listeners, std::back_inserter(bound), &Listener::bound);
  front->host_ = host_addresses(environment.log);
  auto selection = select_upstreams(config, environment.files, bound, front->host_);
  if (!selection && !environment.kept) {
    return tl::unexpected(std::move(selection.error()));
  }
  front->serve(sockets);
  front->use_access();
  if (environment.kept) {
    front->use_again(*environment.kept);
  } else if (auto used = front->use(*std::move(selection)); !used) {
    return tl::unexpected(std::move(used.error()));
  }
  return front;
}

// Services are answered whatever becomes of the upstreams, which are looked at again.
void DnsFront::use_again(const FileTexts& kept) {
  const auto asked = kept.find(config_.upstreams.resolv_conf);
  if (config_.upstreams.servers.empty() && asked != kept.end()) {
    use_if_new(select_by_resolv_conf(config_, asked->second, addresses(), host_));
  }
  use_if_new(select());
}

void DnsFront::serve(KeptSockets& sockets) {
  for (const std::string& note : sockets.notes) {
    environment_.log.info("{}", escape_text(note));
  }
  DnsServer::Options options;
  options.workers = sockets.workers;
  options.waits = true;
  if (environment_.keeper.beat_interval().count() != 0) {
    options.beat_interval = environment_.keeper.beat_interval();
    options.on_beat = [&keeper = environment_.keeper](std::size_t worker) {
      keeper.beat(worker + 1);
    };
  }
  taps_ = std::make_unique<QueryTaps>(
      config_, sockets.workers,
      QueryTaps::Environment{
          .files = environment_.files, .log = environment_.log, .metrics = environment_.metrics});
  options.record = taps_->recorders();
  options.handler.special_names = config_.special_names;
  options.worker.resolver.forward.turn = config_.upstreams.timeout;
  server_ = std::make_unique<DnsServer>(options,
                                        DnsServer::Environment{.sockets = environment_.sockets,
                                                               .listeners = environment_.keeper,
                                                               .clock = environment_.clock,
                                                               .log = environment_.log,
                                                               .metrics = server_metrics_,
                                                               .forward_metrics = forward_metrics_,
                                                               .resolve_metrics = resolve_metrics_,
                                                               .cache = cache_,
                                                               .snapshots = snapshots_},
                                        std::move(sockets.listeners));
  for (const SocketAddress& address : server_->addresses()) {
    environment_.log.info("serving DNS address={}", address.to_string());
  }
}

Result<void> DnsFront::use(UpstreamSelection selection) {
  auto plan = make_plan(selection);
  if (!plan) {
    return tl::unexpected(std::move(plan.error()));
  }
  for (const std::string& warning : selection.warnings) {
    environment_.log.warn("{}", escape_text(warning));
  }
  for (const std::string& note : selection.notes) {
    environment_.log.debug("{}", escape_text(note));
  }
  std::string names;
  for (const UpstreamServer& server : selection.servers) {
    names += (names.empty() ? "" : ",") + server.label();
  }
  if (names.empty()) {
    environment_.log.error("no upstream server: names outside of the mesh cannot be resolved");
  } else {
    environment_.log.info("forwarding other names upstreams={} policy={}", names,
                          policy_word(selection.manners.policy));
  }
  environment_.metrics.upstreams.set(static_cast<double>(selection.servers.size()));
  environment_.metrics.upstreams_refused.set(static_cast<double>(selection.refused));
  for (const ConfiguredGroup& group : selection.groups) {
    environment_.log.info("forwarding by route group={}", print_group(group));
  }
  if (!selection.asks_as(upstreams_)) {
    server_->set_plan(*plan, KeptAnswers::kGo);  // other servers may see other names
  } else if (selection.names_files()) {
    server_->set_plan(*plan, KeptAnswers::kStay);
  }
  upstreams_ = std::move(selection);
  if (config_.upstreams.servers.empty() && !upstreams_.servers.empty()) {
    environment_.keeper.keep_resolv_conf(to_resolv_conf(upstreams_));
  }
  return {};
}

void DnsFront::tell_records() {
  const StaticRecords& records = builder_->static_records();
  if (!records.empty()) {
    environment_.log.info("static records in use records={} zones={}", records.record_count(),
                          records.zones().zones().size());
  }
  environment_.metrics.static_records.set(static_cast<double>(records.record_count()));
}

void DnsFront::use_access() { server_->set_access(AccessList(host_, config_.allow)); }

Result<void> DnsFront::reload(const Config& config) {
  host_ = host_addresses(environment_.log);
  // An upstream that is a new listen address shows before anything is bound.
  const auto early = select_upstreams(config, environment_.files, config.listen, host_);
  if (!early) {
    return tl::unexpected(early.error());
  }
  if (const auto plan = make_plan(*early); !plan) {
    return tl::unexpected(plan.error());
  }
  if (auto checked = check_owned(config, builder_->zones()); !checked) {
    return checked;
  }
  auto records = read_records(config, environment_.files, builder_->zones());
  if (!records) {
    return tl::unexpected(std::move(records.error()));
  }
  auto notes = server_->set_listeners(wanted_addresses(config));
  if (!notes) {
    return tl::unexpected(std::move(notes.error()));
  }
  for (const std::string& note : *notes) {
    environment_.log.info("{}", escape_text(note));
  }
  config_ = config;
  use_access();
  if (UpstreamSelection selection = select(); selection.names_files()) {
    if (const auto used = use(std::move(selection)); !used) {  // it was fine a moment ago
      environment_.log.error("{}", escape_text(used.error().message));
    }
  } else {
    use_if_new(std::move(selection));
  }
  builder_->set_static_records(*std::move(records));
  records_note_.clear();
  tell_records();
  publish(builder_->build());
  return {};
}

void DnsFront::refresh() {
  auto host = host_addresses(environment_.log);
  if (host != host_) {
    host_ = std::move(host);
    use_access();
  }
  if (!config_.upstreams.servers.empty()) {
    use_if_new(select());
  }
  server_->collect_snapshots();
  const CacheStats cached = cache_.stats();
  environment_.metrics.cache_entries.set(static_cast<double>(cached.entries));
  environment_.metrics.cache_bytes.set(static_cast<double>(cached.octets));
  Counter& evictions = environment_.metrics.cache_evictions;
  evictions.add(cached.evictions - evictions.value());
  environment_.metrics.snapshot_generations.set(static_cast<double>(snapshots_.live_generations()));
}

void DnsFront::look_at_resolv_conf() {
  if (!config_.upstreams.servers.empty()) {
    return;
  }
  auto selection = select();
  if (selection == seen_upstreams_ || upstreams_.servers.empty()) {
    use_if_new(selection);
  }
  seen_upstreams_ = std::move(selection);
}

UpstreamSelection DnsFront::select() const {
  const auto listening = addresses();
  auto selection = select_upstreams(config_, environment_.files, listening, host_);
  if (!selection) {
    // The host has got an address, or the kernel gave us a port, that makes a configured server
    // ourselves: it must not be asked.
    UpstreamSelection remaining = select_configured(config_, listening, host_);
    if (config_.upstreams.servers.empty()) {
      remaining.servers = upstreams_.servers;
      remaining.manners = upstreams_.manners;
    }
    return remaining;
  }
  if (config_.upstreams.servers.empty()) {
    return keep_servers(*std::move(selection), upstreams_, listening, host_);
  }
  return *std::move(selection);
}

void DnsFront::use_if_new(UpstreamSelection selection) {
  if (selection == upstreams_) {
    return;
  }
  const auto used = use(std::move(selection));
  const std::string failure = used ? std::string() : used.error().message;
  if (std::exchange(plan_failure_, failure) != failure && !used) {
    environment_.log.error("{}", escape_text(failure));
  }
}

std::string DnsFront::list_upstreams() {
  return dns::list_upstreams(upstreams_, server_->health(), forward_metrics_,
                             environment_.clock.now());
}

void DnsFront::publish(std::unique_ptr<const Snapshot> next) { server_->publish(std::move(next)); }

}  // namespace meshdns::dns
