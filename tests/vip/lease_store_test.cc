#include "vip/lease_store.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_directory.h"
#include "tests/vip/tasks.h"
#include "vip/metrics.h"

namespace meshdns::vip {
namespace {

using support::FaultyFileSystem;
using support::FileStep;

class LeaseStoreTest : public testing::Test {
 protected:
  Result<std::unique_ptr<LeaseStore>> open(StateMode mode = StateMode::kRequired,
                                           const std::string& instance = "default") {
    LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse("192.0.2.0/24").value();
    options.directory = folder_.file("state");
    options.instance = instance;
    options.mode = mode;
    return LeaseStore::open(
        options, files_, clock_, [this](auto task) { tasks_.post(std::move(task)); },
        [this](const auto& keys) { changed_.insert(changed_.end(), keys.begin(), keys.end()); },
        logs_->logger("vip"), metrics_);
  }
  // Acquires, flushes and waits until the lease is on disk.
  std::string acquire_durably(LeaseStore& store, const std::string& key) {
    (void)store.acquire(key);
    store.flush();
    while (store.find(key)->status != LeaseStatus::kDurable) {
      if (!tasks_.run_one()) {
        return "the journal never answered";
      }
    }
    return store.find(key)->ipv4->to_string();
  }

  support::TemporaryDirectory folder_;
  FaultyFileSystem files_;
  support::ManualClock clock_;
  Tasks tasks_;
  std::vector<std::string> changed_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  VipMetrics metrics_{registry_};
};

TEST_F(LeaseStoreTest, TellsALeaseOnlyOnceItIsOnDisk) {
  const auto store = open().value();
  EXPECT_EQ(store->acquire("a").status, LeaseStatus::kPending);
  EXPECT_EQ(store->acquire("a").status, LeaseStatus::kPending);
  store->flush();
  ASSERT_TRUE(tasks_.run_one());
  EXPECT_EQ(changed_, std::vector<std::string>{"a"});
  EXPECT_EQ(store->acquire("a").status, LeaseStatus::kDurable);
  EXPECT_NE(folder_.read("state/vips.journal").find('a'), std::string::npos);
}

TEST_F(LeaseStoreTest, KeepsEveryLeaseOverARestart) {
  std::map<std::string, std::string> told;
  {
    const auto store = open().value();
    for (const auto* key : {"a", "b", "c"}) {
      told[key] = acquire_durably(*store, key);
    }
    store->release("b");
  }
  const auto store = open().value();
  EXPECT_EQ(store->find("b"), std::nullopt);
  EXPECT_EQ(store->find("a")->status, LeaseStatus::kDurable);
  EXPECT_EQ(store->find("a")->ipv4->to_string(), told["a"]);
  EXPECT_EQ(store->find("c")->ipv4->to_string(), told["c"]);
  EXPECT_EQ(acquire_durably(*store, "b"), told["b"]);
}

TEST_F(LeaseStoreTest, RefusesAFolderThatAnotherStoreHolds) {
  const auto first = open().value();
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_NE(second.error().message.find("vips.lock"), std::string::npos);
}

TEST_F(LeaseStoreTest, WithholdsNewLeasesWhileTheDiskIsFullAndTellsThemLater) {
  const auto store = open().value();
  const std::string old = acquire_durably(*store, "old");
  files_.set_torn_write_bytes(3);
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? ENOSPC : 0; });
  (void)store->acquire("new");
  store->flush();
  ASSERT_TRUE(tasks_.run_one());
  EXPECT_EQ(store->find("new")->status, LeaseStatus::kStorageFailed);
  EXPECT_EQ(store->find("old")->status, LeaseStatus::kDurable);
  EXPECT_NE(store->state_note().find("withheld"), std::string::npos);
}

TEST_F(LeaseStoreTest, StartsInMemoryWhereBestEffortMeetsAnUnusableFolder) {
  (void)folder_.write("state", "a file where the folder should be");
  EXPECT_FALSE(open(StateMode::kRequired));
  const auto store = open(StateMode::kBestEffort).value();
  EXPECT_EQ(store->acquire("a").status, LeaseStatus::kDurable);
  EXPECT_NE(store->state_note().find("memory only"), std::string::npos);
  EXPECT_EQ(metrics_.degraded.value(), 1);
}

TEST_F(LeaseStoreTest, NeverOverwritesAFileThatIsNotItsOwn) {
  {
    const auto store = open().value();
  }
  for (const std::string content :
       {"precious data of somebody else, long enough to be looked at"}) {
    (void)folder_.write("state/vips.journal", content);
    EXPECT_FALSE(open());
    EXPECT_EQ(folder_.read("state/vips.journal"), content);
  }
}

TEST_F(LeaseStoreTest, RefusesTheJournalOfAnotherInstance) {
  {
    const auto store = open(StateMode::kRequired, "blue").value();
  }
  const auto other = open(StateMode::kRequired, "green");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("'blue'"), std::string::npos);
}

TEST_F(LeaseStoreTest, CutsATornTailAndGoesOn) {
  std::string address;
  {
    const auto store = open().value();
    address = acquire_durably(*store, "a");
  }
  (void)folder_.write("state/vips.journal",
                      folder_.read("state/vips.journal") + std::string(7, '\x55'));
  const auto store = open().value();
  EXPECT_EQ(store->find("a")->ipv4->to_string(), address);
  EXPECT_NE(acquire_durably(*store, "b"), address);
}

TEST_F(LeaseStoreTest, SetsADamagedJournalAsideAndKeepsWhatCanBeRead) {
  std::string address;
  {
    const auto store = open().value();
    (void)acquire_durably(*store, "first");
    address = acquire_durably(*store, "second");
  }
  std::string content = folder_.read("state/vips.journal");
  content[content.find("first")] ^= 1;
  (void)folder_.write("state/vips.journal", content);
  {
    const auto store = open().value();
    EXPECT_EQ(store->find("second")->ipv4->to_string(), address);
    EXPECT_EQ(store->find("first"), std::nullopt);
  }
  EXPECT_EQ(folder_.read("state/vips.journal.corrupt-1"), content);
  EXPECT_TRUE(open());  // the new journal is sound
}

// Fails each step of a life in turn: what was told must be found again, whatever failed.
TEST_F(LeaseStoreTest, NeverLosesOrMovesAToldLeaseWhicheverStepFails) {
  for (std::uint64_t failing = 0; failing < 200; ++failing) {
    const std::string state = folder_.file("state");
    std::map<std::string, std::string> told;
    const std::uint64_t base = files_.steps();
    bool fired = false;
    files_.set_torn_write_bytes(failing % 40);
    files_.set_fault([&](FileStep, std::uint64_t index) {
      fired = fired || index == base + failing;
      return index == base + failing ? EIO : 0;
    });
    for (int life = 0; life < 2; ++life) {
      if (const auto store = open()) {
        for (const auto& key : {std::string("a"), std::string("b"), "c" + std::to_string(life)}) {
          const std::string address = acquire_durably(**store, key);
          ASSERT_TRUE(!told.contains(key) || told[key] == address) << failing;
          told[key] = address;
        }
        (*store)->release("c" + std::to_string(life));
        (*store)->flush();
      }
    }
    files_.set_fault({});
    const auto store = open();
    ASSERT_TRUE(store) << failing << ": " << store.error().message;
    for (const auto& [key, address] : told) {
      EXPECT_EQ((*store)->acquire(key).ipv4->to_string(), address) << failing;
    }
    if (!fired) {
      EXPECT_GT(failing, 15U);
      return;
    }
  }
  FAIL() << "the number of steps does not end";
}

TEST_F(LeaseStoreTest, WritesAnOvergrownJournalAnew) {
  const auto store = open().value();
  const std::string key(1000, 'k');
  for (int i = 0; i < 1500; ++i) {
    (void)store->acquire(key);
    store->release(key);
    store->flush();
    while (metrics_.journal_syncs.value() <= static_cast<std::uint64_t>(i)) {
      ASSERT_TRUE(tasks_.run_one());
    }
  }
  // 3,000 records of a kilobyte were written.
  EXPECT_LT(folder_.read("state/vips.journal").size(), std::size_t{1} << 21U);
}

}  // namespace
}  // namespace meshdns::vip
