#include "resolver/app/upstream_listing.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "resolver/app/route_text.h"
#include "resolver/app/text_table.h"
#include "resolver/app/upstream_selection.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {
namespace {

using std::chrono::nanoseconds;
using Rows = std::vector<std::vector<std::string>>;

std::string print_left(std::string_view what, TimePoint until, TimePoint now) {
  return fmt::format("{} {}s", what, std::chrono::ceil<std::chrono::seconds>(until - now).count());
}

std::string state_of(const ServerHealth& health, TimePoint now) {
  if (health.is_looping(now)) {
    return print_left("loop", health.looping_until(), now);
  }
  return health.is_down(now) ? print_left("down", health.down_until(), now) : "up";
}

std::string print_rtt(const std::optional<nanoseconds>& rtt) {
  return rtt ? print_milliseconds(*rtt) : "-";
}

void add_group(const std::string& name, ForwardPolicy policy,
               const std::vector<UpstreamServer>& servers, HealthBook& book,
               ForwardMetrics& metrics, TimePoint now, Rows& rows) {
  for (const UpstreamServer& server : servers) {
    const auto health = book.of(server);
    const UpstreamMetrics counts = metrics.upstream(server);
    rows.push_back({name, std::string(policy_word(policy)), server.label(), state_of(*health, now),
                    print_rtt(health->rtt().smoothed()), print_rtt(health->rtt().p95()),
                    std::to_string(counts.queries.value()), std::to_string(counts.timeouts.value()),
                    std::to_string(counts.failures.value() + counts.network_errors.value())});
  }
}

}  // namespace

std::string print_milliseconds(nanoseconds duration) {
  constexpr std::int64_t kMicrosecond = 1000;
  constexpr std::int64_t kMillisecond = 1'000'000;
  return duration.count() < kMillisecond
             ? fmt::format("{}us", duration.count() / kMicrosecond)
             : fmt::format("{:.1f}ms", static_cast<double>(duration.count()) /
                                           static_cast<double>(kMillisecond));
}

std::string list_upstreams(const UpstreamSelection& selection, HealthBook& health,
                           ForwardMetrics& metrics, TimePoint now) {
  Rows rows{
      {"GROUP", "POLICY", "SERVER", "STATE", "RTT", "P95", "QUESTIONS", "TIMEOUTS", "ERRORS"}};
  add_group(std::string(kDefaultGroup), selection.manners.policy, selection.servers, health,
            metrics, now, rows);
  for (const ConfiguredGroup& group : selection.groups) {
    add_group(group.name, group.policy, group.servers, health, metrics, now, rows);
  }
  std::string text = print_columns(rows);
  if (!selection.routes.empty()) {
    text += "\n";
    for (const ConfiguredRoute& route : selection.routes) {
      text += print_route(route) + "\n";
    }
  }
  return text;
}

}  // namespace meshdns::dns
