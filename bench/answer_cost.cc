// What an answer of the resolver's own table costs without any socket: builds a snapshot of the
// names, answers a fixed series of queries in batches as resolver/server does, checks each answer
// once, and prints time and heap allocations as JSON. Run it under callgrind to see where
// instructions go:
//
//   valgrind --tool=callgrind --toggle-collect='*answer_batches*' meshdns-bench-answer --names FILE
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "bench/answer_check.h"
#include "bench/names_file.h"
#include "bench/query_stream.h"
#include "discovery/service.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"

namespace {

// Counted by the replaced operator new below. One thread.
std::uint64_t allocations = 0;

}  // namespace

// NOLINTBEGIN(cppcoreguidelines-no-malloc): what operator new is made of.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size); memory != nullptr) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
// NOLINTEND(cppcoreguidelines-no-malloc)

namespace meshdns::bench {
namespace {

constexpr std::size_t kBatch = 32;  // as resolver/server takes from a socket at once
constexpr std::size_t kBufferOctets = 1232;
constexpr std::size_t kSeriesQueries = 200'000;

using Buffer = std::array<std::uint8_t, kBufferOctets>;

struct CommandLine {
  std::string names;
  std::uint64_t queries = 1'000'000;
  bool edns = false;
};

// Every name with one address of each family, ready.
Result<std::unique_ptr<const dns::Snapshot>> make_snapshot(const NamesFile& names) {
  auto builder = dns::SnapshotBuilder::create({});
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

// Queries one behind the other, read in order: their memory must not count.
struct Series {
  std::vector<std::uint8_t> octets;
  std::vector<std::uint16_t> sizes;
};

// CPU time of this process in seconds: what others do on the machine does not count.
double cpu_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

// A worker's state: the buffers of one batch.
class Answerer {
 public:
  explicit Answerer(const dns::Snapshot& snapshot) : snapshot_(snapshot), handler_({}) {}

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
      for (std::size_t i = 0; i < kBatch; ++i) {
        octets += handler_
                      .respond(snapshot_, parsed_[i], dns::Transport::kUdp,
                               dns::ClientAccess::kAllowed, buffers_[i])
                      .size;
      }
    }
    return octets;
  }

  std::span<const std::uint8_t> answer(std::span<const std::uint8_t> query) {
    const auto outcome = handler_.handle(snapshot_, query, dns::Transport::kUdp,
                                         dns::ClientAccess::kAllowed, buffers_[0], parsed_[0]);
    return std::span(buffers_[0]).first(outcome.size);
  }

 private:
  const dns::Snapshot& snapshot_;
  dns::QueryHandler handler_;
  std::vector<Buffer> buffers_{kBatch};
  std::vector<dns::Query> parsed_{kBatch};
};

// The series, each answer of which is judged once.
Series make_series(const NamesFile& names, const CommandLine& line, Answerer& answerer,
                   AnswerCheck& check) {
  const auto stream = make_mixed_stream(names, {.edns = line.edns});
  Series series;
  QueryBatch batch;
  while (series.sizes.size() < kSeriesQueries && stream->next(batch)) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      const auto query = batch.query(i);
      series.octets.insert(series.octets.end(), query.begin(), query.end());
      series.sizes.push_back(static_cast<std::uint16_t>(query.size()));
      check.judge({.kind = batch.kinds[i], .name = batch.names[i], .octets = query},
                  answerer.answer(query));
    }
  }
  return series;
}

Result<void> run(const CommandLine& line) {
  const auto names = read_names_file(line.names);
  if (!names) {
    return tl::unexpected(names.error());
  }
  const auto snapshot = make_snapshot(*names);
  if (!snapshot) {
    return tl::unexpected(snapshot.error());
  }
  Answerer answerer(**snapshot);
  AnswerCheck check(CheckDepth::kFull, &*names);
  const auto series = make_series(*names, line, answerer, check);
  answerer.answer_batches(series, kSeriesQueries);

  const std::uint64_t allocated = allocations;
  const double begin = cpu_seconds();
  const std::uint64_t octets = answerer.answer_batches(series, line.queries);
  const double nanoseconds = (cpu_seconds() - begin) * 1e9;

  const auto queries = static_cast<double>(line.queries);
  fmt::print(
      "{{\"queries\":{},\"wrong\":{},\"allocations\":{},\"ns_per_answer\":{:.1f},"
      "\"octets_per_answer\":{:.1f}}}\n",
      line.queries, check.answers() - check.mistakes()[0], allocations - allocated,
      nanoseconds / queries, static_cast<double>(octets) / queries);
  for (const std::string& example : check.examples()) {
    fmt::print(stderr, "{}\n", example);
  }
  return {};
}

int main_with(int argc, char** argv) {
  CLI::App app("Answers queries from a table of names, without a socket.");
  CommandLine line;
  app.add_option("--names", line.names, "file of names to ask for")->required();
  app.add_option("--queries", line.queries, "how many to answer")
      ->check(CLI::Range(std::uint64_t{kBatch}, std::uint64_t{1'000'000'000}));
  app.add_flag("--edns", line.edns, "with an OPT record in each query");
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
