// DnsFront: everything that answers clients: the sockets, the workers, who may ask, whom to forward
// to, and the snapshot that is served.
//
// Control thread. Until there is a table it answers owned names with SERVFAIL and EDE 14, all
// others by forwarding.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/app/config.h"
#include "resolver/app/keeper.h"
#include "resolver/app/metrics.h"
#include "resolver/app/query_taps.h"
#include "resolver/app/static_files.h"
#include "resolver/app/upstream_selection.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/metrics.h"
#include "resolver/resolve/metrics.h"
#include "resolver/server/dns_server.h"
#include "resolver/server/listener.h"
#include "resolver/server/metrics.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/snapshot_holder.h"

namespace meshdns::dns {

class DnsFront {
 public:
  struct Environment {
    FileSystem& files;
    SocketLayer& sockets;
    Keeper& keeper;
    const Clock& clock;
    Logger& log;
    MetricRegistry& registry;
    AppMetrics& metrics;
    // What the files of static records held, and resolv.conf if that one went by it, where this
    // process takes the place of one that served: then nothing that was fine for that one keeps
    // this one from answering.
    const std::optional<FileTexts>& kept;
  };

  // Takes the listeners of `sockets`, and serves from begin() on. kInvalidArgument when an upstream
  // server is this resolver itself or a file of static records is wrong. References outlive the
  // front.
  [[nodiscard]] static Result<std::unique_ptr<DnsFront>> open(const Config& config,
                                                              const Environment& environment,
                                                              KeptSockets& sockets);
  DnsFront(const DnsFront&) = delete;
  DnsFront& operator=(const DnsFront&) = delete;
  ~DnsFront() = default;

  // Reads the sockets; until then questions wait in them.
  void begin() { server_->begin(); }
  // Takes over the listen addresses, allow, the upstreams and the static records of `config`. On
  // failure nothing has changed.
  [[nodiscard]] Result<void> reload(const Config& config);
  // Looks again at the host's addresses, and brings the gauges up to date. Every few seconds.
  void refresh();
  // Looks again at resolv.conf: what it says is in use once two looks in a row saw the same, so
  // that a file which is being written in place is not believed half-written. Every
  // kResolvConfInterval.
  //
  // Reading it anew costs some 20 us, needs no notice of a change that could be missed, and is
  // right for whatever a path can become: a renamed file, a symlink that leads elsewhere, a file
  // not there yet, a bind mount, a network file system.
  void look_at_resolv_conf();
  static constexpr std::chrono::milliseconds kResolvConfInterval{300};

  [[nodiscard]] SnapshotBuilder& builder() { return *builder_; }
  void publish(std::unique_ptr<const Snapshot> next);
  // What was published last.
  [[nodiscard]] const Snapshot& latest() const { return snapshots_.latest(); }

  // Where it listens, with real ports.
  [[nodiscard]] std::vector<SocketAddress> addresses() const { return server_->addresses(); }
  [[nodiscard]] const UpstreamSelection& upstreams() const { return upstreams_; }

  [[nodiscard]] AnswerCache& cache() { return cache_; }
  // What is known of the servers in use, for people.
  [[nodiscard]] std::string list_upstreams();

  // Opens the query log and dnstap's file anew: they may have been renamed.
  void reopen_taps() { taps_->reopen(); }

  // What is answered though its files say so no more, for /readyz; empty when nothing is.
  [[nodiscard]] const std::string& records_note() const { return records_note_; }

  // Answers what is open, for a moment, and ends.
  void stop() { server_->stop(); }

  [[nodiscard]] const ServerMetrics& server_metrics() const { return server_metrics_; }

 private:
  DnsFront(Config config, const Environment& environment, std::unique_ptr<SnapshotBuilder> builder);
  // Chooses the upstreams when it takes the place of one that served, which went by `kept`: nothing
  // fails.
  void use_again(const FileTexts& kept);
  void serve(KeptSockets& sockets);
  // By the configuration in use; a configured server that has become ourselves is left out, and
  // where resolv.conf names none by now, those of before stay.
  [[nodiscard]] UpstreamSelection select() const;
  // Fails, and nothing has changed, as make_plan() does.
  [[nodiscard]] Result<void> use(UpstreamSelection selection);
  void use_if_new(UpstreamSelection selection);
  void use_access();
  void tell_records();

  Config config_;
  Environment environment_;
  ServerMetrics server_metrics_;
  ForwardMetrics forward_metrics_;
  ResolveMetrics resolve_metrics_;
  AnswerCache cache_;
  std::unique_ptr<SnapshotBuilder> builder_;
  SnapshotHolder snapshots_;
  UpstreamSelection upstreams_;
  UpstreamSelection seen_upstreams_;  // by the last look at resolv.conf
  std::string plan_failure_;          // why the selection is not in use; logged
  std::string records_note_;
  std::vector<IpAddress> host_;
  std::unique_ptr<QueryTaps> taps_;
  std::unique_ptr<DnsServer> server_;  // last: its workers use all of the above
};

// An empty table for the zones of `config`, with the static records of its files, which are read
// now: kInvalidArgument, with file and line, when one is wrong.
[[nodiscard]] Result<std::unique_ptr<SnapshotBuilder>> make_builder(const Config& config,
                                                                    FileSystem& files);

// `config.listen` as listeners are asked for.
[[nodiscard]] std::vector<ListenAddress> wanted_addresses(const Config& config);

// How many workers `workers` of the configuration means: 0 is as many as the CPUs that affinity
// and the cgroup's cpu.max leave this process.
[[nodiscard]] unsigned worker_count(unsigned configured, FileSystem& files);

// The pools that leases come from, and whose reverse zones are owned.
[[nodiscard]] std::vector<IpPrefix> vip_pools(const Config& config);

}  // namespace meshdns::dns
