// The control plane that goes away in every way a network knows, and comes back with other
// services, while several resolvers are asked all the time.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "tests/e2e/resolver_figures.h"
#include "tests/support/answer_probe.h"
#include "tests/support/counted.h"
#include "tests/support/dns_client.h"
#include "tests/support/process_memory.h"
#include "tests/support/programs.h"
#include "tests/support/tcp_relay.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Fate = TcpRelay::Fate;

constexpr std::size_t kStations = 10;
constexpr int kLasting = 20;  // services that both control planes have
constexpr int kPassing = 9;   // services that only one of them has
// Of the first backoff of a client, less its jitter: no two attempts are nearer to each other.
constexpr milliseconds kLeastPause{400};
constexpr auto kFull = 10'000U;

// The network of one resolver. Draws how each connection ends, and which control plane it leads to.
class Weather {
 public:
  Weather(std::uint64_t seed, std::array<SocketAddress, 2> servers)
      : random_(seed), servers_(servers) {}

  TcpRelay::Ending next() {
    TcpRelay::Ending ending;
    ending.server = servers_.at(draw(0, 1));
    ending.after = milliseconds(draw(20, 150));
    switch (draw(0, 9)) {
      case 0:  // before a word, or in the middle of one
        ending.fate = Fate::kReset;
        ending.after = 0ms;
        ending.after_bytes = draw(0, 4000);
        break;
      case 1:
        ending.fate = Fate::kSwallow;
        ending.lasts = milliseconds(draw(50, 500));
        break;
      case 2:
        ending.fate = Fate::kStall;
        ending.lasts = milliseconds(draw(50, 500));
        break;
      default:
        ending.fate = draw(0, 1) == 0 ? Fate::kClose : Fate::kReset;
    }
    return ending;
  }
  std::size_t draw(std::size_t least, std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(least, most)(random_);
  }

 private:
  std::mt19937_64 random_;
  std::array<SocketAddress, 2> servers_;
};

struct Station {
  Station(std::uint64_t seed, std::array<SocketAddress, 2> servers)
      : relay(servers[0]), weather(seed, servers) {}

  TcpRelay relay;
  Weather weather;
  ResolverProgram resolver;
};

class ControlPlaneGone : public testing::Test {
 protected:
  void SetUp() override {
    const std::string test = testing::UnitTest::GetInstance()->current_test_info()->name();
    if (test.find("Keepalive") != std::string::npos && counted(0, 1) == 0) {
      GTEST_SKIP() << "takes minutes: ./dev soak";
    }
    for (int i = 0; i < kLasting; ++i) {
      names_.push_back(fmt::format("lasting-{}.mesh", i));
      for (const ControlPlaneProgram& control_plane : control_planes_) {
        put(control_plane, fmt::format("lasting-{}", i));
      }
    }
    for (int i = 0; i < kPassing; ++i) {
      for (const std::size_t at : {0U, 1U}) {
        const std::string service = fmt::format("passing-{}-{}", at, i);
        put(control_planes_.at(at), service);
        passing_.push_back(service + ".mesh");
      }
    }
    std::array<SocketAddress, 2> servers;
    for (std::size_t i = 0; i < servers.size(); ++i) {
      control_planes_.at(i).start();
      servers.at(i) = loopback(control_planes_.at(i).port());
    }
    for (std::size_t i = 0; i < kStations; ++i) {
      stations_.push_back(std::make_unique<Station>(1000 + i, servers));
      Station& station = *stations_.back();
      station.resolver.options().environment = quiet_sanitizer();
      station.resolver.start({"--control-plane", station.relay.address().to_string()});
    }
    for (const auto& station : stations_) {
      ASSERT_TRUE(station->resolver.wait_ready());
    }
    for (const std::string& name : names_) {
      addresses_[name] = stations_.front()->resolver.address_of(name);
      ASSERT_NE(addresses_[name], "") << name;
    }
  }

  static void put(const ControlPlaneProgram& control_plane, const std::string& service) {
    control_plane.put({.name = service + "-1", .service = service});
  }
  // What is there all the time has its one address. What comes and goes has its one address too, or
  // does not exist, or (a name that is new) has none on disk yet.
  [[nodiscard]] std::string judge(const std::string& name, const DnsReply& reply) {
    const auto data = reply.answer_data("A");
    if (reply.rcode() == "NOERROR" && data.size() == 1) {
      const auto [known, is_new] = addresses_.try_emplace(name, data.front());
      return known->second == data.front() ? "" : "has " + data.front() + ", not " + known->second;
    }
    if (name.starts_with("passing") && reply.rcode() != "NOERROR") {
      pending_ += reply.rcode() == "SERVFAIL" ? 1U : 0U;
      return "";
    }
    return reply.rcode() + fmt::format(" with {} addresses", data.size());
  }
  [[nodiscard]] std::unique_ptr<AnswerProbe> start_probe() {
    std::vector<SocketAddress> servers;
    for (const auto& station : stations_) {
      servers.push_back(station->resolver.dns());
    }
    std::vector<std::string> names = names_;
    names.insert(names.end(), passing_.begin(), passing_.end());
    return std::make_unique<AnswerProbe>(
        servers, names, [this](const AnswerProbe::Question& question, const DnsReply& reply) {
          return judge(question.name, reply);
        });
  }
  [[nodiscard]] std::uint64_t ended() const {
    std::uint64_t sum = 0;
    for (const auto& station : stations_) {
      sum += station->relay.counts().ended();
    }
    return sum;
  }
  [[nodiscard]] double metric(const std::string& name) const {
    double sum = 0;
    for (const auto& station : stations_) {
      sum += metric_of(station->resolver, name);
    }
    return sum;
  }
  // A service that all resolvers know only once they are in sync; how long that took.
  [[nodiscard]] milliseconds time_to_sync(const std::string& service) {
    const auto began = steady_clock::now();
    put(control_planes_[0], service);
    EXPECT_TRUE(wait_until(
        [&] {
          for (const auto& station : stations_) {
            if (station->resolver.address_of(service + ".mesh").empty()) {
              return false;
            }
          }
          return true;
        },
        120s));
    return std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
  }
  [[nodiscard]] std::uint64_t memory() const {
    std::uint64_t most = 0;
    for (const auto& station : stations_) {
      most = std::max(most, resident_kib(station->resolver.resolver_pid().value_or(0)));
    }
    return most;
  }

  std::array<ControlPlaneProgram, 2> control_planes_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::vector<std::string> names_;
  std::vector<std::string> passing_;
  std::map<std::string, std::string> addresses_;  // of the probe's thread while it runs
  std::uint64_t pending_ = 0;
};

TEST_F(ControlPlaneGone, AnswersNeverStopAndAreRightAndItIsFollowedAgain) {
  const std::uint64_t target = counted(100, kFull);
  const auto began = steady_clock::now();
  auto probe = start_probe();
  for (const auto& station : stations_) {
    station->relay.set_plan([station = station.get()] { return station->weather.next(); });
    station->relay.bring(Fate::kReset);
  }
  // One network after the other refuses connections for a while.
  Weather refusals(7, {});
  std::uint64_t warm = 0;
  Progress progress("disconnects", target);
  while (ended() < target && probe->wrong_so_far() == 0) {
    TcpRelay& relay = stations_.at(refusals.draw(0, kStations - 1))->relay;
    relay.refuse();
    relay.bring(Fate::kClose);
    std::this_thread::sleep_for(milliseconds(refusals.draw(100, 1500)));
    relay.accept_again();
    progress.show(ended());
    warm = warm == 0 && ended() > target / 10 ? memory() : warm;
  }
  const std::uint64_t after = memory();

  // The end: everything is cut once more, and from then on nothing is.
  for (const auto& station : stations_) {
    station->relay.set_plan({});
    station->relay.bring(Fate::kReset);
  }
  const milliseconds sync = time_to_sync("news");
  const AnswerProbe::Findings findings = probe->stop();
  EXPECT_EQ(findings.wrong, 0U) << testing::PrintToString(findings.first_wrong);

  const double attempts = metric("meshdns_xds_connection_attempts_total");
  const auto elapsed = steady_clock::now() - began;
  std::uint64_t accepted = 0;
  std::array<std::uint64_t, TcpRelay::kFates> met{};
  milliseconds least_pause = 1h;
  for (const auto& station : stations_) {
    const TcpRelay::Counts counts = station->relay.counts();
    accepted += counts.accepted;
    least_pause = std::min(least_pause, counts.least_pause);
    for (std::size_t fate = 0; fate < met.size(); ++fate) {
      met.at(fate) += counts.met.at(fate);
    }
    EXPECT_LE(metric_of(station->resolver, "meshdns_xds_connection_attempts_total"),
              2 + std::chrono::duration<double>(elapsed) / kLeastPause);
  }
  EXPECT_LE(after, warm + kMemorySlackKib);
  fmt::print(
      "disconnects {}: closed {}, reset {}, half-open {}, stalled {}, ended by a program {}; "
      "refused {}\n"
      "connection attempts {} in {} s by {} resolvers, never two within {} ms\n"
      "questions {}, wrong {}, longest {} ms; SERVFAIL for a service that is new {}\n"
      "in sync after {} ms; resident memory {} KiB after a tenth, {} KiB at the end\n",
      ended(), met[1], met[2], met[3], met[4], met[0],
      static_cast<std::uint64_t>(attempts) - accepted, attempts,
      std::chrono::duration_cast<std::chrono::seconds>(elapsed).count(), kStations,
      least_pause.count(), findings.questions, findings.wrong, findings.longest.count() / 1000,
      pending_, sync.count(), warm, after);
  if (target == kFull) {
    EXPECT_LE(sync, 5s);
  }
}

// A keepalive takes half a minute to notice it.
TEST_F(ControlPlaneGone, AConnectionThatDiesWithoutAWordIsReplacedWithinTheKeepalive) {
  auto probe = start_probe();
  for (const Fate fate : {Fate::kSwallow, Fate::kStall}) {
    for (int round = 0; round < 3; ++round) {
      ASSERT_FALSE(time_to_sync(fmt::format("before-{}-{}", static_cast<int>(fate), round)) > 60s);
      for (const auto& station : stations_) {
        station->relay.bring(fate);
      }
      const milliseconds sync =
          time_to_sync(fmt::format("after-{}-{}", static_cast<int>(fate), round));
      fmt::print("{} connections at once, in sync after {} ms\n",
                 fate == Fate::kSwallow ? "half-open" : "stalled", sync.count());
      std::fflush(stdout);
      EXPECT_LE(sync, 35s);
    }
  }
  const AnswerProbe::Findings findings = probe->stop();
  EXPECT_EQ(findings.wrong, 0U) << testing::PrintToString(findings.first_wrong);
}

}  // namespace
}  // namespace meshdns::support
