// What an answer costs a worker in user space: the server with its own thread, I/O loop, access
// list and counters, in its default configuration, answers a fixed series of queries, of its own
// table or of what it has kept. The kernel has no share in it but for one wait in 512 queries.
// Prints JSON.
//
// `./dev bench --gate` runs it under callgrind with two numbers of queries: the difference is what
// the queries cost, without start and end. To see where instructions go:
//
//   valgrind --tool=callgrind meshdns-bench-server --names FILE
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "bench/answer_check.h"
#include "bench/kept_answers.h"
#include "bench/load_socket.h"
#include "bench/local_table.h"
#include "bench/names_file.h"
#include "bench/program.h"
#include "bench/query_series.h"
#include "bench/query_stream.h"
#include "bench/replayed_sockets.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/metrics.h"
#include "resolver/resolve/metrics.h"
#include "resolver/server/dns_server.h"
#include "resolver/server/listener.h"
#include "resolver/server/metrics.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_holder.h"

namespace meshdns::bench {
namespace {

constexpr std::size_t kSeriesQueries = 20'000;  // each has an id of its own
constexpr std::size_t kJudged = kSeriesQueries;

struct CommandLine {
  std::string names;
  std::uint64_t queries = 1'000'000;
  std::size_t clients = 6;
  std::size_t burst = 16;
  bool kept = false;
  std::optional<QueryKind> kind;
};

// One datagram wakes the server; what it reads then is the series.
Result<void> wake(const SocketAddress& server, QueryStream& stream) {
  auto socket = LoadSocket::open(server, kMaxBatch, Arrivals::kUntold);
  if (!socket) {
    return tl::unexpected(std::move(socket).error());
  }
  QueryBatch batch;
  if (!stream.next(batch)) {
    return fail(ErrorCode::kInternal, "there are no queries");
  }
  batch.count = 1;
  if (!socket->send(batch, {})) {
    return fail(ErrorCode::kNetwork, "nothing could be sent to the server");
  }
  return {};
}

Result<void> serve(std::unique_ptr<const dns::Snapshot> table, dns::AnswerCache& cache,
                   ReplayedSockets& sockets, QueryStream& stream) {
  const auto logs = Logs::create({.level = "warn"});
  if (!logs) {
    return tl::unexpected(logs.error());
  }
  const SocketAddress any_port{.ip = IpAddress(std::array<std::uint8_t, 4>{127, 0, 0, 1})};
  auto bound = dns::bind_listeners(sockets, std::array{dns::ListenAddress{.address = any_port}}, 1);
  if (!bound) {
    return tl::unexpected(bound.error());
  }
  const SystemClock clock;
  MetricRegistry registry;
  dns::ServerMetrics server_metrics(registry);
  dns::ForwardMetrics forward_metrics(registry);
  dns::ResolveMetrics resolve_metrics(registry);
  dns::SnapshotHolder snapshots(std::move(table));
  dns::OwnListeners listeners(sockets, 1);
  dns::DnsServer server({},
                        {.sockets = sockets,
                         .listeners = listeners,
                         .clock = clock,
                         .log = (*logs)->logger("dns"),
                         .metrics = server_metrics,
                         .forward_metrics = forward_metrics,
                         .resolve_metrics = resolve_metrics,
                         .cache = cache,
                         .snapshots = snapshots},
                        std::move(bound->listeners));
  if (auto woken = wake(server.addresses().at(0), stream); !woken) {
    return woken;
  }
  sockets.wait();
  server.stop();
  return {};
}

Result<void> run(const CommandLine& line) {
  auto names = read_names_file(line.names);
  if (!names) {
    return tl::unexpected(names.error());
  }
  auto table = make_local_table(*names);
  auto empty = make_empty_table();
  if (!table || !empty) {
    return tl::unexpected((table ? empty : table).error());
  }
  const auto stream = make_mixed_stream(*names, {.only = line.kind});
  const QuerySeries series(*stream, kSeriesQueries);
  KeptAnswers kept;
  if (line.kept) {
    kept.keep_all(**table, series);
  }
  AnswerCheck check(CheckDepth::kFull, &*names);
  ReplayedSockets sockets(
      {.queries = line.queries, .clients = line.clients, .burst = line.burst, .judged = kJudged},
      series, check);
  auto served = serve(std::move(line.kept ? *empty : *table), kept.cache(), sockets, *stream);
  if (!served) {
    return served;
  }
  fmt::print("{{\"queries\":{},\"answered\":{},\"judged\":{},\"wrong\":{}}}\n", line.queries,
             sockets.answered(), check.answers(), check.answers() - check.mistakes()[0]);
  for (const std::string& example : check.examples()) {
    fmt::print(stderr, "{}\n", example);
  }
  return {};
}

void declare(CLI::App& app, CommandLine& line) {
  constexpr std::size_t kMaxClients = 1000;
  app.add_option("--names", line.names, "file of names to ask for")->required();
  app.add_option("--queries", line.queries, "how many to answer (in steps of a batch)")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}));
  app.add_option("--clients", line.clients, "that ask in turn")
      ->check(CLI::Range(std::size_t{1}, kMaxClients));
  app.add_option("--burst", line.burst, "queries of a client behind each other")
      ->check(CLI::Range(std::size_t{1}, kMaxClients));
  app.add_flag("--kept", line.kept, "from the cache, as names of others");
  app.add_option("--kind", line.kind, "only these: a, aaaa, nxdomain or nodata")
      ->transform(CLI::CheckedTransformer(query_kinds()));
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  namespace bench = meshdns::bench;
  return bench::run_program<bench::CommandLine, bench::declare, bench::run>(
      "meshdns-bench-server", "Answers queries through the server, without a kernel's sockets.",
      argc, argv);
}
