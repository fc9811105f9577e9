// The load generator's command line. Asks a DNS server over UDP and prints one JSON object: what
// was sent, answered and lost, the answers by rcode, and every kind of mistake in them.
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/core_share.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "bench/answer_check.h"
#include "bench/latency.h"
#include "bench/load_run.h"
#include "bench/names_file.h"
#include "bench/program.h"
#include "bench/query_stream.h"

namespace meshdns::bench {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

struct CommandLine {
  std::string server;
  std::string names;
  std::string unique;
  bool complete = false;
  bool edns = false;
  Distribution distribution = Distribution::kUniform;
  CheckDepth depth = CheckDepth::kShape;
  std::uint64_t rate = 0;
  double seconds = 1;
  double timeout_seconds = 1;
  std::uint64_t queries = UINT64_MAX;
  std::uint64_t seed = 1;
  std::size_t sockets = 6;
  std::size_t outstanding = 192;
  std::size_t in_flight = 0;
};

constexpr double kMaxSeconds = 3600;
constexpr std::uint64_t kMaxRate = 1'000'000;
constexpr std::size_t kMaxSockets = 256;
constexpr std::size_t kMaxSlots = 4096;  // of one socket; a power of two
constexpr std::size_t kRateSlots = 1024;

void declare(CLI::App& app, CommandLine& line) {
  const std::map<std::string, CheckDepth> depths = {
      {"echo", CheckDepth::kEcho}, {"shape", CheckDepth::kShape}, {"full", CheckDepth::kFull}};
  const std::map<std::string, Distribution> distributions = {{"uniform", Distribution::kUniform},
                                                             {"zipf", Distribution::kZipf}};
  app.add_option("--server", line.server, "ADDRESS:PORT to ask")->required();
  auto* names = app.add_option("--names", line.names, "file of names to ask for");
  auto* unique = app.add_option("--unique", line.unique, "ask for new names below this one only");
  names->excludes(unique);
  app.add_flag("--complete", line.complete, "ask each name and type once, then end")->needs(names);
  app.add_flag("--edns", line.edns, "send an OPT record with each query");
  app.add_option("--distribution", line.distribution, "uniform or zipf")
      ->transform(CLI::CheckedTransformer(distributions));
  app.add_option("--check", line.depth, "how far each answer is judged: echo, shape or full")
      ->transform(CLI::CheckedTransformer(depths));
  auto* rate = app.add_option("--rate", line.rate, "queries per second; 0: as many as are answered")
                   ->check(CLI::Range(std::uint64_t{0}, kMaxRate));
  app.add_option("--seconds", line.seconds, "how long")->check(CLI::Range(0.001, kMaxSeconds));
  app.add_option("--timeout", line.timeout_seconds, "seconds after which an answer is lost")
      ->check(CLI::Range(0.001, kMaxSeconds));
  app.add_option("--queries", line.queries, "how many at most (in steps of a batch)");
  app.add_option("--seed", line.seed, "of everything drawn at random");
  app.add_option("--sockets", line.sockets, "client sockets")
      ->check(CLI::Range(std::size_t{1}, kMaxSockets));
  app.add_option("--outstanding", line.outstanding, "queries in flight over all sockets");
  app.add_option("--in-flight", line.in_flight,
                 "queries in flight from each socket, a power of two, each sent by itself")
      ->check(CLI::Range(std::size_t{1}, kMaxSlots))
      ->check([](const std::string& text) {
        return std::has_single_bit(std::stoul(text)) ? "" : text + " is no power of two";
      })
      ->excludes(rate);
}

Result<std::unique_ptr<QueryStream>> make_stream(const CommandLine& line,
                                                 const std::optional<NamesFile>& names) {
  const StreamOptions options{
      .distribution = line.distribution, .seed = line.seed, .edns = line.edns};
  if (!names) {
    return make_unique_stream(line.unique, options);
  }
  return line.complete ? make_complete_stream(*names, options) : make_mixed_stream(*names, options);
}

Result<LoadOptions> make_load_options(const CommandLine& line) {
  auto server = SocketAddress::parse(line.server);
  if (!server) {
    return tl::unexpected(std::move(server).error());
  }
  LoadOptions options;
  options.server = *server;
  options.sockets = line.sockets;
  options.slots = kRateSlots;
  if (line.in_flight > 0) {
    options.slots = line.in_flight;
  } else if (line.rate == 0) {
    // A power of two that holds at least one batch.
    options.slots = kMaxBatch;
    while (options.slots * 2 * line.sockets <= line.outstanding && options.slots < kMaxSlots) {
      options.slots *= 2;
    }
  }
  options.duration = duration_cast<nanoseconds>(duration<double>(line.seconds));
  options.timeout = duration_cast<nanoseconds>(duration<double>(line.timeout_seconds));
  options.max_queries = line.queries;
  return options;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
    result += plain ? c : '?';
  }
  return result + '"';
}

void print_result(const LoadResult& result, const AnswerCheck& check) {
  std::string rcodes;
  for (std::size_t i = 0; i < check.rcodes().size(); ++i) {
    if (check.rcodes()[i] > 0) {
      rcodes += fmt::format("{}\"{}\":{}", rcodes.empty() ? "" : ",", i, check.rcodes()[i]);
    }
  }
  std::string mistakes;
  std::uint64_t wrong = 0;
  for (std::size_t i = 1; i < check.mistakes().size(); ++i) {
    if (check.mistakes()[i] > 0) {
      wrong += check.mistakes()[i];
      mistakes += fmt::format("{}\"{}\":{}", mistakes.empty() ? "" : ",",
                              to_string(static_cast<Mistake>(i)), check.mistakes()[i]);
    }
  }
  std::string examples;
  for (const std::string& example : check.examples()) {
    examples += (examples.empty() ? "" : ",") + quoted(example);
  }
  fmt::print(
      "{{\"sent\":{},\"answered\":{},\"lost\":{},\"skipped\":{},\"wrong\":{},\"with_record\":{},"
      "\"complete\":{},\"elapsed_seconds\":{:.6f},\"rcodes\":{{{}}},\"mistakes\":{{{}}},"
      "\"examples\":[{}],\"latency_us\":{}}}\n",
      result.sent, check.answers(), result.lost, result.skipped, wrong, check.with_record(),
      result.stream_ended, duration<double>(result.elapsed).count(), rcodes, mistakes, examples,
      latency_json(result.latency_ns));
}

Result<LoadResult> run_as_told(const CommandLine& line, const LoadOptions& options,
                               QueryStream& stream, AnswerCheck& check) {
  if (line.rate > 0) {
    return run_at_rate(options, line.rate, stream, check);
  }
  return line.in_flight > 0 ? run_singly(options, stream, check)
                            : run_saturated(options, stream, check);
}

Result<void> run(const CommandLine& line) {
  take_short_turns();  // whatever else is on its core
  std::optional<NamesFile> names;
  if (!line.names.empty()) {
    auto read = read_names_file(line.names);
    if (!read) {
      return tl::unexpected(std::move(read).error());
    }
    names = std::move(*read);
  } else if (line.unique.empty()) {
    return fail(ErrorCode::kInvalidArgument, "one of --names and --unique is needed");
  }
  auto stream = make_stream(line, names);
  if (!stream) {
    return tl::unexpected(std::move(stream).error());
  }
  const auto options = make_load_options(line);
  if (!options) {
    return tl::unexpected(options.error());
  }
  AnswerCheck check(line.depth, names ? &*names : nullptr);
  const auto result = run_as_told(line, *options, **stream, check);
  if (!result) {
    return tl::unexpected(result.error());
  }
  print_result(*result, check);
  return {};
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  namespace bench = meshdns::bench;
  return bench::run_program<bench::CommandLine, bench::declare, bench::run>(
      "meshdns-bench-load", "Asks a DNS server over UDP and counts the answers.", argc, argv);
}
