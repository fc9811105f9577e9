// A policy of forwarding: in which order a question asks the servers of its group, and for how long
// each has its turn.
//
// kSequential is for lists whose order means something, such as resolv.conf's: a later server is
// asked only when the earlier one failed. All others are for equals, any of whose answers is as
// good: the next is asked while the one before is still listened to.
//
// Servers that are down come last in each.
//
// One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include <boost/container/small_vector.hpp>

#include "base/clock.h"
#include "resolver/forward/server_health.h"

namespace meshdns::dns {

enum class ForwardPolicy : std::uint8_t {
  kSequential,
  kRandom,
  kRoundRobin,
  kFastest,  // by what replies took lately; who is unknown comes first
  kHedged,   // the same, but the second is asked once the first took longer than 95 of 100 replies
};

class ServerOrder {
 public:
  static constexpr std::size_t kUsualServers = 4;  // of one group, at most
  using Order = boost::container::small_vector<std::size_t, kUsualServers>;

  struct Times {
    std::chrono::milliseconds turn;            // of a server in order
    std::chrono::milliseconds retry_interval;  // of one among equals
  };

  ServerOrder(ForwardPolicy policy, const Times& times, std::uint32_t seed)
      : policy_(policy), times_(times), random_(seed) {}

  // For the next question: indices of `servers`, the first to be asked in front.
  void arrange(std::span<ServerHealth* const> servers, TimePoint now, Order& order);
  // Of a server that is asked for the first time, `is_first` before all others.
  [[nodiscard]] std::chrono::nanoseconds turn_of(const ServerHealth& server, bool is_first) const;
  // Whether any server's answer is as good as any other's.
  [[nodiscard]] bool is_of_equals() const { return policy_ != ForwardPolicy::kSequential; }
  // Whether it goes by what replies took, and so has to know it of every server.
  [[nodiscard]] bool compares() const {
    return policy_ == ForwardPolicy::kFastest || policy_ == ForwardPolicy::kHedged;
  }
  // Whether asking a second server is a bet, not a repair.
  [[nodiscard]] bool hedges() const { return policy_ == ForwardPolicy::kHedged; }

 private:
  ForwardPolicy policy_;
  Times times_;
  std::minstd_rand random_;  // nothing depends on its being guessed
  std::size_t next_ = 0;     // kRoundRobin: who is first
};

}  // namespace meshdns::dns
