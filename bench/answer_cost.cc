// What an answer costs without any socket, of the resolver's own table or of what it has kept:
// builds a snapshot of the names, answers a fixed series of queries in batches as resolver/server
// does, checks each answer once, and prints time, heap allocations and the table's size as JSON.
// Nothing in it is drawn anew at each run, so that callgrind counts the same twice; `./dev bench
// --gate` has it do so, and this shows where instructions go:
//
//   valgrind --tool=callgrind --toggle-collect='*answer_batches*' meshdns-bench-answer --names FILE
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "bench/answer_check.h"
#include "bench/kept_answers.h"
#include "bench/names_file.h"
#include "bench/query_stream.h"
#include "discovery/service.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"
#include "resolver/wire/query.h"
#include "resolver/wire/sip_hash.h"
#include "resolver/wire/transport.h"
#include "tests/support/allocation_counter.h"

namespace meshdns::bench {
namespace {

constexpr std::size_t kBatch = 32;  // as resolver/server takes from a socket at once
constexpr std::size_t kBufferOctets = 1232;
constexpr std::size_t kSeriesQueries = 1'500 * kBatch;  // whole batches
constexpr std::uint32_t kTtlSeconds = 86'400;           // beyond any run
constexpr dns::HashKey kTableKey{.first = 1, .second = 2};

using Buffer = std::array<std::uint8_t, kBufferOctets>;

struct CommandLine {
  std::string names;
  std::uint64_t queries = 1'000'000;
  bool edns = false;
  bool kept = false;
  std::optional<QueryKind> kind;
};

dns::SnapshotBuilder::Options table_options(const char* zone) {
  return {.owned_zones = {zone},
          .times = {.ttl = kTtlSeconds, .soa_minimum = kTtlSeconds, .instance_ttl = kTtlSeconds},
          .hash_key = kTableKey};
}

// Every name with one address of each family, ready.
Result<std::unique_ptr<const dns::Snapshot>> make_snapshot(const NamesFile& names) {
  auto builder = dns::SnapshotBuilder::create(table_options("mesh."));
  if (!builder) {
    return tl::unexpected(std::move(builder).error());
  }
  std::uint32_t index = 0;
  for (const BenchName& name : names.present) {
    discovery::Service service;
    service.id = {.mesh = "default", .name = fmt::format("service-{}", index)};
    service.hostnames.push_back(dns::NameView(name.wire).to_text());
    const auto fallback = IpAddress(std::array<std::uint8_t, 4>{
        10, static_cast<std::uint8_t>(index >> 16U), static_cast<std::uint8_t>(index >> 8U),
        static_cast<std::uint8_t>(index)});
    const bool known = name.ipv4.rule == ExpectedAddress::Rule::kExactly;
    const bool known_ipv6 = name.ipv6.rule == ExpectedAddress::Rule::kExactly;
    (*builder)->upsert_service(
        service, {.addresses = {known ? name.ipv4.address : fallback,
                                known_ipv6 ? name.ipv6.address
                                           : IpAddress(std::array<std::uint8_t, 16>{0xfd})},
                  .withheld = false});
    ++index;
  }
  (*builder)->set_ready(true);
  return (*builder)->build();
}

// In which every name is somebody else's.
Result<std::unique_ptr<const dns::Snapshot>> make_empty_snapshot() {
  auto builder = dns::SnapshotBuilder::create(table_options("other."));
  if (!builder) {
    return tl::unexpected(std::move(builder).error());
  }
  (*builder)->set_ready(true);
  return (*builder)->build();
}

// Queries one behind the other, read in order: their memory must not count.
struct Series {
  std::vector<std::uint8_t> octets;
  std::vector<std::uint16_t> sizes;
  std::vector<AskedQuery> asked;  // without octets

  void add(std::span<const std::uint8_t> query, const AskedQuery& what) {
    octets.insert(octets.end(), query.begin(), query.end());
    sizes.push_back(static_cast<std::uint16_t>(query.size()));
    asked.push_back(what);
  }

  // visit(AskedQuery) in order.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      AskedQuery query = asked[i];
      query.octets = std::span(octets).subspan(offset, sizes[i]);
      visit(query);
      offset += sizes[i];
    }
  }
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
  [[gnu::noinline]] std::uint64_t answer_batches(const Series& series, std::uint64_t queries) {
    std::uint64_t octets = 0;
    std::size_t index = 0;
    std::size_t offset = 0;
    for (std::uint64_t done = 0; done < queries; done += kBatch) {
      for (std::size_t i = 0; i < kBatch; ++i) {
        if (index == series.sizes.size()) {
          index = 0;
          offset = 0;
        }
        const std::size_t size = series.sizes[index++];
        std::memcpy(buffers_[i].data(), &series.octets[offset], size);
        offset += size;
        dns::QueryHandler::prepare(snapshot_, std::span(buffers_[i]).first(size), parsed_[i]);
      }
      octets += answer_prepared(kBatch);
    }
    return octets;
  }

  std::span<const std::uint8_t> answer(std::span<const std::uint8_t> query) {
    dns::QueryHandler::prepare(snapshot_, query, parsed_[0]);
    return std::span(buffers_[0]).first(answer_prepared(1));
  }
  [[nodiscard]] const dns::Query& last_query() const { return parsed_[0]; }

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

Series make_series(const NamesFile& names, const CommandLine& line) {
  const auto stream = make_mixed_stream(names, {.edns = line.edns, .only = line.kind});
  Series series;
  QueryBatch batch;
  while (series.sizes.size() < kSeriesQueries && stream->next(batch)) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      series.add(batch.query(i), {.kind = batch.kinds[i], .name = batch.names[i], .octets = {}});
    }
  }
  return series;
}

Result<void> run(const CommandLine& line) {
  const auto names = read_names_file(line.names);
  if (!names) {
    return tl::unexpected(names.error());
  }
  const std::size_t live = support::live_bytes();
  const auto table = make_snapshot(*names);
  const std::size_t table_octets = support::live_bytes() - live;
  const auto empty = make_empty_snapshot();
  if (!table || !empty) {
    return tl::unexpected((table ? empty : table).error());
  }
  const Series series = make_series(*names, line);
  KeptAnswers kept;
  Answerer from_table(**table, kept);
  Answerer from_kept(**empty, kept);
  if (line.kept) {
    series.for_each([&](const AskedQuery& asked) {
      const auto reply = from_table.answer(asked.octets);
      kept.keep(from_table.last_query(), reply);
    });
  }
  Answerer& answerer = line.kept ? from_kept : from_table;
  AnswerCheck check(CheckDepth::kFull, &*names);
  series.for_each(
      [&](const AskedQuery& asked) { check.judge(asked, answerer.answer(asked.octets)); });
  answerer.answer_batches(series, kSeriesQueries);

  const std::size_t allocated = support::allocation_count();
  const double begin = cpu_seconds();
  const std::uint64_t octets = answerer.answer_batches(series, line.queries);
  const double nanoseconds = (cpu_seconds() - begin) * 1e9;

  const auto queries = static_cast<double>(line.queries);
  fmt::print(
      "{{\"queries\":{},\"warm_up\":{},\"wrong\":{},\"allocations\":{},\"ns_per_answer\":{:.1f},"
      "\"octets_per_answer\":{:.1f},\"table_octets\":{}}}\n",
      line.queries, kSeriesQueries, check.answers() - check.mistakes()[0],
      support::allocation_count() - allocated, nanoseconds / queries,
      static_cast<double>(octets) / queries, table_octets);
  for (const std::string& example : check.examples()) {
    fmt::print(stderr, "{}\n", example);
  }
  return {};
}

int main_with(int argc, char** argv) {
  CLI::App app("Answers queries from a table of names or from the cache, without a socket.");
  CommandLine line;
  app.add_option("--names", line.names, "file of names to ask for")->required();
  app.add_option("--queries", line.queries, "how many to answer")
      ->check(CLI::Range(std::uint64_t{kBatch}, std::uint64_t{1'000'000'000}));
  app.add_flag("--edns", line.edns, "with an OPT record in each query");
  app.add_flag("--kept", line.kept, "from the cache, as names of others");
  const std::map<std::string, QueryKind> kinds = {{"a", QueryKind::kA},
                                                  {"aaaa", QueryKind::kAaaa},
                                                  {"nxdomain", QueryKind::kNxdomain},
                                                  {"nodata", QueryKind::kNodata}};
  app.add_option("--kind", line.kind, "only these: a, aaaa, nxdomain or nodata")
      ->transform(CLI::CheckedTransformer(kinds));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  const auto done = run(line);
  if (!done) {
    fmt::print(stderr, "meshdns-bench-answer: {}\n", done.error().message);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  try {
    return meshdns::bench::main_with(argc, argv);
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return 5;
  }
}
