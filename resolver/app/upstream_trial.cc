#include "resolver/app/upstream_trial.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/app/query.h"
#include "resolver/app/text_table.h"
#include "resolver/app/upstream_listing.h"
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
#include "resolver/wire/message_reader.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kMaxSockets = 256;

Result<Query> make_query(const TrialQuestion& question) {
  auto name = Name::from_text(question.name);
  if (!name) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no domain name (write such as www.example.org)",
                            escape_name(question.name)));
  }
  const auto type = parse_record_type(question.type);
  if (!type) {
    return tl::unexpected(type.error());
  }
  name->fold();
  Query query;
  query.status = ParseStatus::kOk;
  query.flags = flag::kRecursionDesired;
  query.has_question = true;
  query.has_edns = true;
  query.qtype = *type;
  query.qclass = rrclass::kIn;
  query.name = *name;
  query.assign_question(*name, *type, rrclass::kIn);
  return query;
}

std::string rcode_text(std::uint16_t code) {
  constexpr std::array<std::string_view, 6> kTexts{"NOERROR",  "FORMERR", "SERVFAIL",
                                                   "NXDOMAIN", "NOTIMP",  "REFUSED"};
  return code < kTexts.size() ? std::string(kTexts.at(code)) : fmt::format("rcode {}", code);
}

// One server's turn.
struct Trial {
  std::string group;
  std::string label;
  std::unique_ptr<Upstream> upstream;
  StreamUpstream* stream = nullptr;  // the upstream, where it is one
  AttemptResult result = {};
  std::chrono::nanoseconds took{0};
};

// What came, for people; `is_answer` says whether something did that means no error.
std::string describe(const Trial& trial, std::chrono::milliseconds timeout, bool& is_answer) {
  is_answer = false;
  switch (trial.result.status) {
    case AttemptStatus::kReply: {
      const auto header = MessageReader(trial.result.reply).header();
      is_answer = trial.result.rcode == rcode::kNoError || trial.result.rcode == rcode::kNxDomain;
      return fmt::format("{}, {} in the answer", rcode_text(trial.result.rcode),
                         header.record_counts[static_cast<std::size_t>(Section::kAnswer)]);
    }
    case AttemptStatus::kBadReply:
      return "what it answers cannot be read";
    case AttemptStatus::kTimeout:
      break;
    case AttemptStatus::kNetworkError:
      return trial.stream != nullptr && !trial.stream->last_failure().empty()
                 ? escape_text(trial.stream->last_failure())
                 : "cannot be reached, or nothing listens there";
  }
  return fmt::format("no answer within {}ms", timeout.count());
}

}  // namespace

Result<TrialResult> try_upstreams(const TrialQuestion& question, const ForwardPlan& plan,
                                  std::chrono::milliseconds timeout, SocketLayer& sockets) {
  const auto query = make_query(question);
  if (!query) {
    return tl::unexpected(query.error());
  }
  const auto logs = Logs::create({.level = "off"});
  if (!logs) {
    return tl::unexpected(logs.error());
  }
  Logger& log = (*logs)->logger("fwd");
  boost::asio::io_context io{1};
  const SystemClock clock;
  TimerQueue timers(clock);
  const TimerDriver driver(io, timers);
  UdpSockets udp(kMaxSockets, io, sockets);
  RandomIds random;
  MetricRegistry registry;
  ForwardMetrics metrics(registry);
  std::vector<Trial> trials;
  for (const ServerGroup& group : plan.groups) {
    for (const PreparedServer& server : group.servers) {
      Trial& trial = trials.emplace_back();
      trial.group = group.name;
      trial.label = server.server.label();
      const UpstreamMetrics counts = metrics.upstream(server.server);
      auto stream = std::make_unique<StreamUpstream>(
          server, StreamUpstream::Environment{.io = io, .timers = timers, .log = log}, counts);
      if (server.server.transport != UpstreamTransport::kUdp) {
        trial.stream = stream.get();
        trial.upstream = std::move(stream);
        continue;
      }
      trial.upstream = std::make_unique<UdpUpstream>(
          std::move(stream),
          UdpUpstream::Environment{.sockets = udp, .timers = timers, .random = random}, counts);
    }
  }
  const TimePoint begin = clock.now();
  std::size_t open = trials.size();
  for (Trial& trial : trials) {
    trial.upstream->ask(*query, timeout, [&](AttemptResult result) {
      trial.result = std::move(result);
      trial.took = clock.now() - begin;
      --open;
    });
  }
  while (open != 0 && io.run_one() != 0) {
  }
  TrialResult result;
  std::vector<std::vector<std::string>> rows{{"GROUP", "SERVER", "TIME", "RESULT"}};
  for (const Trial& trial : trials) {
    bool is_answer = false;
    std::string text = describe(trial, timeout, is_answer);
    result.any_answered = result.any_answered || is_answer;
    rows.push_back({trial.group, trial.label, print_milliseconds(trial.took), std::move(text)});
  }
  result.text = print_columns(rows);
  return result;
}

}  // namespace meshdns::dns
