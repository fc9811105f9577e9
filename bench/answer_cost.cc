// What an answer costs without any socket, of the resolver's own table or of what it has kept:
// builds a snapshot of the names, answers a fixed series of queries in batches as resolver/server
// does, checks each answer once, and prints time, heap allocations and the table's size as JSON.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/result.h"
#include "bench/answer_check.h"
#include "bench/kept_answers.h"
#include "bench/local_table.h"
#include "bench/names_file.h"
#include "bench/program.h"
#include "bench/query_series.h"
#include "bench/query_stream.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/support/allocation_counter.h"

namespace meshdns::bench {
namespace {

constexpr std::size_t kBatch = 32;  // as resolver/server takes from a socket at once
constexpr std::size_t kBufferOctets = 1232;
constexpr std::size_t kSeriesQueries = 1'500 * kBatch;  // whole batches

using Buffer = std::array<std::uint8_t, kBufferOctets>;

struct CommandLine {
  std::string names;
  std::uint64_t queries = 1'000'000;
  bool edns = false;
  bool kept = false;
  std::optional<QueryKind> kind;
};

// CPU time of this process in seconds: what others do on the machine does not count.
double cpu_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

// A worker's state: the buffers of one batch.
class Answerer {
 public:
  // `kept` has the answers of what `snapshot` does not.
  Answerer(const dns::Snapshot& snapshot, KeptAnswers& kept)
      : snapshot_(snapshot), handler_({}), kept_(kept) {}

  // Takes `queries` queries of the series, again and again from its start, and answers them.
  // Returns the octets of all answers, so that nothing of it can be left out.
  [[gnu::noinline]] std::uint64_t answer_batches(const QuerySeries& series, std::uint64_t queries) {
    std::uint64_t octets = 0;
    std::size_t index = 0;
    for (std::uint64_t done = 0; done < queries; done += kBatch) {
      for (std::size_t i = 0; i < kBatch; ++i) {
        const auto query = series[index].octets;
        index = index + 1 == series.size() ? 0 : index + 1;
        std::ranges::copy(query, buffers_[i].begin());
        dns::QueryHandler::prepare(snapshot_, std::span(buffers_[i]).first(query.size()),
                                   parsed_[i]);
      }
      octets += answer_prepared(kBatch);
    }
    return octets;
  }

  std::span<const std::uint8_t> answer(std::span<const std::uint8_t> query) {
    dns::QueryHandler::prepare(snapshot_, query, parsed_[0]);
    return std::span(buffers_[0]).first(answer_prepared(1));
  }

 private:
  // UdpServer::answer_batch() without a socket. Returns the octets of all answers.
  std::uint64_t answer_prepared(std::size_t count) {
    std::uint64_t octets = 0;
    std::array<std::size_t, kBatch> others{};
    std::size_t other_count = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const dns::Outcome outcome = handler_.respond(snapshot_, parsed_[i], dns::Transport::kUdp,
                                                    dns::ClientAccess::kAllowed, buffers_[i]);
      if (outcome.verdict == dns::Verdict::kForward) {
        kept_.prefetch(parsed_[i]);
        others[other_count++] = i;
      } else {
        octets += outcome.size;
      }
    }
    for (const std::size_t i : std::span(others).first(other_count)) {
      octets += kept_.answer(parsed_[i], buffers_[i]);
    }
    return octets;
  }

  const dns::Snapshot& snapshot_;
  dns::QueryHandler handler_;
  KeptAnswers& kept_;
  std::vector<Buffer> buffers_{kBatch};
  std::vector<dns::Query> parsed_{kBatch};
};

Result<void> run(const CommandLine& line) {
  auto names = read_names_file(line.names);
  if (!names) {
    return tl::unexpected(names.error());
  }
  const std::size_t live = support::live_bytes();
  const auto table = make_local_table(*names);
  const std::size_t table_octets = support::live_bytes() - live;
  const auto empty = make_empty_table();
  if (!table || !empty) {
    return tl::unexpected((table ? empty : table).error());
  }
  const auto stream = make_mixed_stream(*names, {.edns = line.edns, .only = line.kind});
  const QuerySeries series(*stream, kSeriesQueries);
  KeptAnswers kept;
  if (line.kept) {
    kept.keep_all(**table, series);
  }
  Answerer answerer(line.kept ? **empty : **table, kept);
  AnswerCheck check(CheckDepth::kFull, &*names);
  for (std::size_t i = 0; i < series.size(); ++i) {
    check.judge(series[i], answerer.answer(series[i].octets));
  }
  answerer.answer_batches(series, kSeriesQueries);

  const std::size_t allocated = support::allocation_count();
  const double begin = cpu_seconds();
  const std::uint64_t octets = answerer.answer_batches(series, line.queries);
  const double nanoseconds = (cpu_seconds() - begin) * 1e9;

  const auto queries = static_cast<double>(line.queries);
  fmt::print(
      "{{\"queries\":{},\"wrong\":{},\"allocations\":{},\"ns_per_answer\":{:.1f},"
      "\"octets_per_answer\":{:.1f},\"table_octets\":{}}}\n",
      line.queries, check.answers() - check.mistakes()[0], support::allocation_count() - allocated,
      nanoseconds / queries, static_cast<double>(octets) / queries, table_octets);
  for (const std::string& example : check.examples()) {
    fmt::print(stderr, "{}\n", example);
  }
  return {};
}

void declare(CLI::App& app, CommandLine& line) {
  app.add_option("--names", line.names, "file of names to ask for")->required();
  app.add_option("--queries", line.queries, "how many to answer")
      ->check(CLI::Range(std::uint64_t{kBatch}, std::uint64_t{1'000'000'000}));
  app.add_flag("--edns", line.edns, "with an OPT record in each query");
  app.add_flag("--kept", line.kept, "from the cache, as names of others");
  app.add_option("--kind", line.kind, "only these: a, aaaa, nxdomain or nodata")
      ->transform(CLI::CheckedTransformer(query_kinds()));
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  namespace bench = meshdns::bench;
  return bench::run_program<bench::CommandLine, bench::declare, bench::run>(
      "meshdns-bench-answer",
      "Answers queries from a table of names or from the cache, without a socket.", argc, argv);
}
