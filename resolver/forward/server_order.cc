#include "resolver/forward/server_order.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <span>

#include "base/clock.h"
#include "resolver/forward/server_health.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Less is not worth a second question.
constexpr milliseconds kShortestHedge{1};
// A server that was silent lately is asked so often within its turn: what the network loses now and
// then is no second silence.
constexpr int kSuspectTries = 2;

}  // namespace

void ServerOrder::arrange(std::span<ServerHealth* const> servers, TimePoint now, Order& order) {
  order.resize(servers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  switch (policy_) {
    case ForwardPolicy::kSequential:
      break;
    case ForwardPolicy::kRandom:
      std::ranges::shuffle(order, random_);
      break;
    case ForwardPolicy::kRoundRobin:
      if (!order.empty()) {
        const auto first = static_cast<std::ptrdiff_t>(next_++ % order.size());
        std::ranges::rotate(order, order.begin() + first);
      }
      break;
    case ForwardPolicy::kFastest:
    case ForwardPolicy::kHedged:
      std::ranges::stable_sort(order, {}, [servers](std::size_t index) {
        return servers[index]->rtt().smoothed().value_or(nanoseconds(0));
      });
      break;
  }
  std::ranges::stable_partition(
      order, [servers, now](std::size_t index) { return !servers[index]->is_down(now); });
}

nanoseconds ServerOrder::turn_of(const ServerHealth& server, bool is_first) const {
  if (!is_of_equals()) {
    return server.is_suspect() ? std::min(times_.turn, kSuspectTries * times_.retry_interval)
                               : times_.turn;
  }
  if (policy_ != ForwardPolicy::kHedged || !is_first) {
    return times_.retry_interval;
  }
  const auto usual = server.rtt().p95().value_or(times_.retry_interval);
  return std::clamp<nanoseconds>(usual, kShortestHedge, times_.retry_interval);
}

}  // namespace meshdns::dns
