// kill -9 of a real process at chosen and at random points, over and over on the same folder. What
// it told is remembered here, outside of it.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "tests/support/counted.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"
#include "tests/vip/churn.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::vip {
namespace {

constexpr std::array kPhases = {"start", "write", "fsync", "rename", "compaction", "any"};
// Then another folder is begun.
constexpr std::uint64_t kLivesOfAFolder = 48;

// A state folder and everything that was ever told from it.
class Folder {
 public:
  // Runs the program until it is killed.
  void live(std::uint64_t seed, const std::string& phase) {
    support::Process process({.argv = {MESHDNS_LEASE_CHURN, state_, std::to_string(seed), phase}});
    if (phase == "any") {
      // How long it lives is the test's input; nothing waits for it.
      std::this_thread::sleep_for(std::chrono::microseconds(std::mt19937_64(seed)() % 150'000));
      process.kill();
    }
    EXPECT_EQ(process.wait(), 128 + SIGKILL) << process.standard_error();
    note(process.standard_output());
  }

  // Another program opens the folder and finds all that was told.
  void check() const {
    const auto logs = Logs::create({"off", LogFormat::kText}).value();
    MetricRegistry registry;
    VipMetrics metrics(registry);
    PosixFileSystem files;
    SystemClock clock;
    LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse(kChurnPool).value();
    options.directory = state_;
    options.mode = StateMode::kRequired;
    const auto store = LeaseStore::open(
        options, files, clock, [](const auto&) {}, [](const auto&) {}, logs->logger("vip"),
        metrics);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(metrics.journal_damages.value(), 0U);
    for (const auto& [number, address] : oracle_.told()) {
      EXPECT_EQ(holder_of(**store, address), churn_key(number)) << address;
    }
  }

  [[nodiscard]] std::size_t told() const { return oracle_.told().size(); }

 private:
  void note(const std::string& output) {
    // A line that the kill cut short was not told.
    std::istringstream lines(output.substr(0, output.rfind('\n') + 1));
    std::uint64_t number = 0;
    std::string address;
    while (lines >> number >> address) {
      EXPECT_TRUE(oracle_.note(number, address)) << number << " " << address;
    }
  }

  support::TemporaryDirectory folder_;
  std::string state_ = folder_.file("state");
  LeaseOracle oracle_;
};

TEST(Kills, NoToldLeaseIsLostMovedOrGivenToAnother) {
  const std::uint64_t kills = support::counted(240, 10'000);
  std::map<std::string, std::uint64_t> kills_in;
  std::size_t told = 0;
  auto folder = std::make_unique<Folder>();
  for (std::uint64_t run = 0; run < kills && !HasFailure(); ++run) {
    const std::string phase = kPhases.at(run % kPhases.size());
    SCOPED_TRACE("kill " + std::to_string(run) + " in phase " + phase);
    folder->live(run, phase);
    folder->check();
    ++kills_in[phase];
    if ((run + 1) % kLivesOfAFolder == 0) {
      told += folder->told();
      folder = std::make_unique<Folder>();
    }
  }
  for (const auto& [phase, count] : kills_in) {
    std::printf("%llu kills in phase %s\n", static_cast<unsigned long long>(count), phase.c_str());
    EXPECT_GE(count, std::min<std::uint64_t>(kills / kPhases.size(), 20)) << phase;
  }
  EXPECT_GE(told, kills / kLivesOfAFolder * kChurnKeys / 2);
}

}  // namespace
}  // namespace meshdns::vip
