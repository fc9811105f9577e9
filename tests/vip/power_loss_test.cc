// What a lease store has told is true for ever, whenever its process or the power ends.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "tests/support/counted.h"
#include "tests/support/manual_clock.h"
#include "tests/support/power_loss_file_system.h"
#include "tests/vip/churn.h"
#include "tests/vip/tasks.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::vip {
namespace {

using support::PowerLossFileSystem;

constexpr const char* kJournal = "/var/lib/meshdns/vips.journal";

// One file system, and the lives of the stores on it.
class History {
 public:
  explicit History(std::uint64_t seed) : engine_(seed), files_(seed) {}

  Result<std::unique_ptr<LeaseStore>> open() {
    tasks_ = std::make_unique<Tasks>();
    LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse(kChurnPool).value();
    options.directory = "/var/lib/meshdns";
    options.mode = StateMode::kRequired;
    return LeaseStore::open(
        options, files_, clock_,
        [tasks = tasks_.get()](auto task) { tasks->post(std::move(task)); }, [](const auto&) {},
        logs_->logger("vip"), metrics_);
  }

  // A store that allocates, tells and releases until its end comes.
  void live() {
    files_.lose_power_at(random(5) == 0 ? 1000 : random(60));
    if (auto store = open()) {
      if (random(3) == 0) {
        churn(**store);
      }
      while (files_.has_power() && random(20) != 0) {
        change(**store);
      }
    } else {
      EXPECT_FALSE(files_.has_power()) << store.error().message;
    }
    if (random(2) == 0) {
      files_.restart();
    } else {
      files_.kill_processes();
    }
  }

  // The state folder works, and what was told is known: nobody else can get it, and nobody's
  // quarantine ends in these tests.
  void check() {
    const auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    for (const auto& [number, address] : oracle_.told()) {
      const std::string key = churn_key(number);
      EXPECT_EQ(holder_of(**store, address), key) << address;
      EXPECT_EQ(address_of((*store)->acquire(key)), address) << number;
    }
  }

  [[nodiscard]] std::uint64_t random(std::uint64_t limit) { return engine_() % limit; }
  [[nodiscard]] PowerLossFileSystem& files() { return files_; }
  [[nodiscard]] LeaseOracle& oracle() { return oracle_; }

  // Waits until each of these keys is on disk, or the power is gone, and tells what may be told.
  void settle(LeaseStore& store, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      while (status_of(store, key) == LeaseStatus::kPending && files_.has_power()) {
        ASSERT_TRUE(tasks_->run_one());
      }
      const auto lease = store.find(key);
      if (lease && lease->status == LeaseStatus::kDurable) {
        EXPECT_TRUE(oracle_.note(churn_number(key), address_of(*lease))) << key;
      }
    }
  }

 private:
  static LeaseStatus status_of(const LeaseStore& store, const std::string& key) {
    const auto lease = store.find(key);
    return lease ? lease->status : LeaseStatus::kExhausted;
  }

  void change(LeaseStore& store) {
    std::vector<std::string> keys;
    for (std::uint64_t i = random(4) + 1; i > 0; --i) {
      keys.push_back(churn_key(random(kChurnKeys)));
      if (random(3) == 0) {
        store.release(keys.back());
      } else {
        (void)store.acquire(keys.back());
      }
    }
    store.flush();
    settle(store, keys);
  }

  // Enough changes of one key that the journal must be written anew.
  void churn(LeaseStore& store) {
    const std::string key = churn_key(0);
    for (int i = 0; i < 100; ++i) {
      (void)store.acquire(key);
      store.release(key);
    }
    store.flush();
    (void)store.acquire(key);
    store.flush();
    settle(store, {key});
  }

  std::mt19937_64 engine_;
  PowerLossFileSystem files_;
  support::ManualClock clock_;
  std::unique_ptr<Tasks> tasks_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  VipMetrics metrics_{registry_};
  LeaseOracle oracle_;
};

TEST(PowerLoss, NoToldLeaseIsLostMovedOrGivenToAnother) {
  const std::uint64_t histories = support::counted(60, 5000);
  std::size_t told = 0;
  for (std::uint64_t seed = 0; seed < histories; ++seed) {
    SCOPED_TRACE("history " + std::to_string(seed));
    History history(seed);
    for (int life = 0; life < 8; ++life) {
      history.live();
    }
    history.check();
    told += history.oracle().told().size();
    if (testing::Test::HasFailure()) {
      return;
    }
  }
  EXPECT_GT(told, histories * 5);
}

// The process dies in each step, and the power goes once the next one has told what it found.
TEST(PowerLoss, WhatAKilledProcessOnlyWroteIsSyncedBeforeItIsTold) {
  constexpr std::uint64_t kSteps = 40;
  constexpr std::uint64_t kSeeds = 8;
  std::size_t found = 0;
  for (std::uint64_t run = 0; run < kSteps * kSeeds; ++run) {
    SCOPED_TRACE(run);
    History history(run);
    history.files().lose_power_at(run % kSteps);
    if (const auto store = history.open()) {
      (void)(*store)->acquire(churn_key(1));
      (*store)->flush();
      history.settle(**store, {churn_key(1)});
    }
    history.files().kill_processes();
    {
      const auto store = history.open().value();
      if (store->find(churn_key(1))) {
        history.settle(*store, {churn_key(1)});
        ++found;
      }
      history.files().lose_power_at(0);
    }
    history.files().restart();
    history.check();
  }
  EXPECT_GT(found, 0U);
}

// The end comes in each step of setting a damaged journal aside: what can be read stays.
TEST(PowerLoss, ADamagedJournalIsNeverReplacedByAnEmptyOne) {
  for (std::uint64_t step = 0;; ++step) {
    SCOPED_TRACE(step);
    History history(step);
    {
      const auto store = history.open().value();
      (void)store->acquire(churn_key(1));
      (void)store->acquire(churn_key(2));
      store->flush();
      history.settle(*store, {churn_key(2)});
    }
    std::string content = history.files().content(kJournal);
    content[content.find(churn_key(1))] ^= 1;
    history.files().set_content(kJournal, content);
    history.files().lose_power_at(step);
    const bool opened = history.open().has_value();
    history.files().restart();
    history.check();
    EXPECT_EQ(history.files().content(std::string(kJournal) + ".corrupt-1"), content);
    if (opened) {
      EXPECT_GT(step, 10U);
      return;
    }
  }
}

}  // namespace
}  // namespace meshdns::vip
