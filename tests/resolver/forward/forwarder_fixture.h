// A group's forwarder over servers that the test plays, on a clock that it owns.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/group_forwarder.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/query.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recording_upstream.h"

namespace meshdns::dns {

// A question that remembers what became of it.
class Asker final : public ForwardClient {
 public:
  [[nodiscard]] const Query& query() const override { return query_; }
  [[nodiscard]] bool is_wanted() const override { return wanted; }
  [[nodiscard]] bool is_repeated() const override { return false; }
  void on_forwarded(ForwardResult given) override { result = std::move(given); }

  bool wanted = true;
  std::optional<ForwardResult> result;

 private:
  Query query_;
};

class ForwarderFixture : public ::testing::Test {
 protected:
  void make(int servers, const GroupForwarder::Options& options = {}) {
    std::vector<std::unique_ptr<Upstream>> upstreams;
    for (int i = 0; i < servers; ++i) {
      upstreams.push_back(std::make_unique<support::RecordingUpstream>(
          SocketAddress{.ip = {}, .port = static_cast<std::uint16_t>(i)}, asked_));
    }
    forwarder_ = std::make_unique<GroupForwarder>(
        std::move(upstreams), options,
        GroupForwarder::Environment{
            .timers = timers_, .health = health_, .loops = loops_, .metrics = metrics_});
  }
  Asker& forward() {
    askers_.push_back(std::make_unique<Asker>());
    forwarder_->forward(*askers_.back());
    return *askers_.back();
  }
  // Time goes by; what is due happens when it is due.
  void advance(std::chrono::milliseconds by) {
    constexpr std::chrono::milliseconds kStep{10};
    for (std::chrono::milliseconds passed{0}; passed < by; passed += kStep) {
      clock_.advance(kStep);
      timers_.run_due();
    }
  }
  void end(std::size_t attempt, AttemptResult result) { asked_.at(attempt).end(std::move(result)); }
  void reply(std::size_t attempt, std::uint16_t rcode = 0, std::uint8_t mark = 1) {
    end(attempt, {AttemptStatus::kReply, rcode, {mark}});
  }
  [[nodiscard]] bool is_open(std::size_t attempt) const {
    return static_cast<bool>(asked_.at(attempt).done);
  }
  // From the attempt of this number on.
  [[nodiscard]] std::vector<int> servers_asked(std::size_t first = 0) const {
    std::vector<int> servers;
    for (std::size_t i = first; i < asked_.size(); ++i) {
      servers.push_back(asked_[i].server.port);
    }
    return servers;
  }
  [[nodiscard]] ServerHealth& health_of(std::uint16_t server) {
    return *kept_.emplace_back(health_.of({.address = {.ip = {}, .port = server}}));
  }

  support::ManualClock clock_;
  TimerQueue timers_{clock_};
  MetricRegistry registry_;
  ForwardMetrics metrics_{registry_};
  std::unique_ptr<Logs> logs_ = Logs::create({.level = "off"}).value();
  HealthBook health_;
  std::vector<std::shared_ptr<ServerHealth>> kept_;
  LoopGuard loops_{clock_, logs_->logger("fwd"), metrics_};
  support::AttemptRecord asked_;
  std::vector<std::unique_ptr<Asker>> askers_;
  std::unique_ptr<GroupForwarder> forwarder_;
};

}  // namespace meshdns::dns
