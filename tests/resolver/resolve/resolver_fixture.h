// Two workers' resolvers over upstream servers that the test plays, on a clock that it owns.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/sip_hash.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/loop_guard.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/metrics.h"
#include "resolver/resolve/resolver.h"
#include "resolver/resolve/shared_questions.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/support/dns_message.h"
#include "tests/support/forward_plan.h"
#include "tests/support/ldns_judge.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recording_upstream.h"

namespace meshdns::dns {

inline const IpAddress kClient = IpAddress::parse("192.0.2.77").value();
inline const SocketAddress kFirstServer = SocketAddress::parse("192.0.2.1:53").value();
inline const SocketAddress kSecondServer = SocketAddress::parse("192.0.2.2:53").value();

// What reached one client.
struct Received {
  support::JudgedMessage message;
  std::size_t size = 0;
  std::uint8_t rcode = 0;
  std::chrono::nanoseconds elapsed{0};
};

inline support::Octets address_reply(const std::string& name, unsigned count = 1) {
  support::MessageBytes bytes;
  bytes.header(0x9999, 0x8180, 1, count, 0, 0).question(name, rrtype::kA);
  for (unsigned i = 0; i < count; ++i) {
    bytes.record(
        name, rrtype::kA, 60,
        support::Octets{192, 0, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i)});
  }
  return bytes.bytes();
}

class ResolverFixture : public ::testing::Test {
 protected:
  void make(const InFlightLimits::Options& limits = {}, const Resolver::Options& options = {}) {
    limits_ = std::make_unique<InFlightLimits>(limits);
    cache_ = std::make_unique<AnswerCache>(cache_options_, HashKey{});
    resolver_ = make_worker(options);
    other_ = make_worker(options);
  }
  std::unique_ptr<Resolver> make_worker(const Resolver::Options& options) {
    auto worker = std::make_unique<Resolver>(
        options, Resolver::Environment{.io = io_,
                                       .timers = timers_,
                                       .make_upstream =
                                           [this](const PreparedServer& server) {
                                             return std::make_unique<support::RecordingUpstream>(
                                                 server.server.address, asked_);
                                           },
                                       .clock = clock_,
                                       .metrics = metrics_,
                                       .forward_metrics = forward_metrics_,
                                       .limits = *limits_,
                                       .questions = questions_,
                                       .health = health_,
                                       .loops = loops_,
                                       .cache = *cache_});
    worker->set_plan(support::plan_of({kFirstServer, kSecondServer}));
    return worker;
  }
  QuestionId resolve(const std::string& name, Transport transport = Transport::kUdp,
                     const support::QueryOptions& options = {}) {
    return resolve_at(*resolver_, name, transport, options);
  }
  QuestionId resolve_at(Resolver& worker, const std::string& name,
                        Transport transport = Transport::kUdp,
                        const support::QueryOptions& options = {}, unsigned type = rrtype::kA) {
    Query query;
    EXPECT_EQ(parse_query(support::make_query(name, type, options), query), ParseStatus::kOk);
    std::vector<std::uint8_t> buffer(kMaxMessageOctets);
    const auto found = worker.find_cached(query, transport, buffer);
    if (found.outcome == CachedAnswers::Outcome::kAnswered ||
        found.outcome == CachedAnswers::Outcome::kRouted) {
      take({.question = 0,
            .message = std::span(buffer).first(found.size),
            .rcode = found.rcode,
            .elapsed = {}});
      return 0;
    }
    return worker.resolve(query, transport, kClient, found.outcome,
                          [this](const ResolvedReply& reply) { take(reply); });
  }
  void take(const ResolvedReply& reply) {
    const auto judged = support::judge(reply.message);
    ASSERT_TRUE(judged.has_value());
    received_.push_back({*judged, reply.message.size(), reply.rcode, reply.elapsed});
  }
  // Time goes by; what is due happens when it is due.
  void advance(std::chrono::milliseconds by) {
    constexpr std::chrono::milliseconds kStep{10};
    for (std::chrono::milliseconds passed{0}; passed < by; passed += kStep) {
      clock_.advance(kStep);
      timers_.run_due();
    }
  }
  // What was posted to the workers.
  void run_posted() {
    io_.restart();
    io_.poll();
  }
  void answer(std::size_t attempt, const support::Octets& reply, std::uint16_t rcode = 0) {
    asked_.at(attempt).end({AttemptStatus::kReply, rcode, reply});
  }

  CacheOptions cache_options_;
  support::ManualClock clock_;
  std::vector<Received> received_;
  boost::asio::io_context io_;
  TimerQueue timers_{clock_};
  MetricRegistry registry_;
  ForwardMetrics forward_metrics_{registry_};
  ResolveMetrics metrics_{registry_};
  std::unique_ptr<Logs> logs_ = Logs::create({.level = "off"}).value();
  SharedQuestions questions_;
  HealthBook health_;
  LoopGuard loops_{clock_, logs_->logger("fwd"), forward_metrics_};
  support::AttemptRecord asked_;  // may hold a probe
  std::unique_ptr<InFlightLimits> limits_;
  std::unique_ptr<AnswerCache> cache_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<Resolver> other_;  // of a second worker
};

}  // namespace meshdns::dns
