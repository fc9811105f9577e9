#include "vip/lease_store.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
#include "vip/allocator.h"
#include "vip/key.h"
#include "vip/metrics.h"
#include "vip/pin.h"

namespace meshdns::vip {
namespace {

using support::FaultyFileSystem;
using support::FileStep;

class LeaseStoreTest : public testing::Test {
 protected:
  Result<std::unique_ptr<LeaseStore>> open(StateMode mode = StateMode::kRequired,
                                           const std::string& instance = "default") {
    LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse(pool_).value();
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

  // Runs tasks until the journal has failed this many times more.
  void await_failures(std::uint64_t count) {
    const std::uint64_t enough = metrics_.journal_errors.value() + count;
    while (metrics_.journal_errors.value() < enough) {
      ASSERT_TRUE(tasks_.run_one());
    }
  }

  std::string pool_ = "192.0.2.0/24";
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

// What becomes of the folder while it is used.
struct LostFolder {
  const char* name;
  void (*lose)(const std::filesystem::path& folder);
};

class LeaseStoreThatLosesItsFolder : public LeaseStoreTest,
                                     public testing::WithParamInterface<LostFolder> {
 protected:
  void lose() { GetParam().lose(folder_.file("state")); }
};

TEST_P(LeaseStoreThatLosesItsFolder, WritesAllOfItAnewBeforeItTellsMore) {
  std::map<std::string, std::string> told;
  {
    const auto store = open().value();
    told["old"] = acquire_durably(*store, "old");
    lose();
    changed_.clear();
    (void)store->acquire("new");
    store->flush();
    await_failures(1);
    EXPECT_EQ(store->find("new")->status, LeaseStatus::kStorageFailed);
    EXPECT_EQ(store->acquire("old").status, LeaseStatus::kDurable);
    EXPECT_NE(store->state_note().find("removed or replaced"), std::string::npos)
        << store->state_note();
    told["new"] = acquire_durably(*store, "new");
    EXPECT_EQ(store->state_note(), "");
    told["after"] = acquire_durably(*store, "after");  // appended again
    EXPECT_FALSE(open()) << "the folder is ours";
  }
  const auto store = open().value();
  for (const auto& [key, address] : told) {
    ASSERT_NE(store->find(key), std::nullopt) << key;
    EXPECT_EQ(store->find(key)->ipv4->to_string(), address) << key;
  }
}

TEST_P(LeaseStoreThatLosesItsFolder, IsMendedWhenItIsLookedAt) {
  const auto store = open().value();
  (void)acquire_durably(*store, "old");
  lose();
  store->look_at_folder();
  await_failures(1);
  ASSERT_TRUE(tasks_.run_one());  // written anew
  EXPECT_EQ(store->state_note(), "");
  EXPECT_NE(folder_.read("state/vips.journal").find("old"), std::string::npos);
  store->look_at_folder();  // finds nothing
  (void)acquire_durably(*store, "new");
  EXPECT_EQ(metrics_.journal_errors.value(), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, LeaseStoreThatLosesItsFolder,
    testing::Values(
        LostFolder{"Removed", [](const auto& folder) { std::filesystem::remove_all(folder); }},
        LostFolder{"Emptied",
                   [](const auto& folder) {
                     std::filesystem::remove_all(folder);
                     std::filesystem::create_directory(folder);
                   }},
        LostFolder{
            "MovedAway",
            [](const auto& folder) { std::filesystem::rename(folder, folder.string() + ".old"); }},
        LostFolder{"WithoutItsJournal",
                   [](const auto& folder) { std::filesystem::remove(folder / "vips.journal"); }},
        LostFolder{"WithAnotherJournal",
                   [](const auto& folder) {
                     std::filesystem::remove(folder / "vips.journal");
                     std::ofstream(folder / "vips.journal") << "of an older time";
                   }}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(LeaseStoreTest, LeavesAFolderThatAnotherStoreMadeAndHoldsToThat) {
  const auto first = open().value();
  (void)acquire_durably(*first, "a");
  std::filesystem::remove_all(folder_.file("state"));
  const auto second = open().value();
  (void)acquire_durably(*second, "b");
  const std::string content = folder_.read("state/vips.journal");
  first->look_at_folder();
  await_failures(2);
  EXPECT_NE(first->state_note().find("another meshdns"), std::string::npos) << first->state_note();
  EXPECT_EQ(folder_.read("state/vips.journal"), content);
  EXPECT_EQ(first->find("a")->status, LeaseStatus::kDurable) << "it was told";
}

TEST_F(LeaseStoreTest, StartsInMemoryWhereBestEffortMeetsAnUnusableFolder) {
  (void)folder_.write("state", "a file where the folder should be");
  EXPECT_FALSE(open(StateMode::kRequired));
  const auto store = open(StateMode::kBestEffort).value();
  EXPECT_EQ(store->acquire("a").status, LeaseStatus::kDurable);
  EXPECT_NE(store->state_note().find("memory only"), std::string::npos);
  EXPECT_EQ(metrics_.degraded.value(), 1);
}

TEST_F(LeaseStoreTest, StartsInMemoryWhereBestEffortMeetsAFolderThatAnotherStoreHolds) {
  const auto first = open().value();
  const std::string content = folder_.read("state/vips.journal");
  const auto second = open(StateMode::kBestEffort).value();
  EXPECT_EQ(second->acquire("a").status, LeaseStatus::kDurable);
  EXPECT_NE(second->state_note().find("another meshdns"), std::string::npos);
  EXPECT_EQ(folder_.read("state/vips.journal"), content);
}

TEST_F(LeaseStoreTest, KeepsInMemoryWhatAFolderThatCannotBeUsedSays) {
  pool_ = "192.0.2.0/29";  // six addresses, so that what is forgotten would be given away
  std::map<std::string, std::string> told;
  {
    const auto store = open().value();
    for (const auto* key : {"a", "b", "c", "d", "e"}) {
      told[key] = acquire_durably(*store, key);
    }
    store->release("e");
  }
  const std::string content = folder_.read("state/vips.journal");
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kLock ? EROFS : 0; });
  EXPECT_FALSE(open(StateMode::kRequired));
  const auto store = open(StateMode::kBestEffort).value();
  EXPECT_NE(store->state_note().find("beginning with 4"), std::string::npos) << store->state_note();
  EXPECT_NE(store->acquire("new").ipv4->to_string(), told["e"]);  // in quarantine
  for (const auto& [key, address] : told) {
    EXPECT_EQ(store->acquire(key).ipv4->to_string(), address);
  }
  EXPECT_EQ(folder_.read("state/vips.journal"), content);
}

// The first start meets a full disk.
class LeaseStoreInMemory : public LeaseStoreTest {
 protected:
  void SetUp() override {
    set_full(true);
    store_ = open(StateMode::kBestEffort).value();
    for (const auto* key : {"a", "b"}) {
      const auto lease = store_->acquire(key);
      ASSERT_EQ(lease.status, LeaseStatus::kDurable);
      told_[key] = lease.ipv4->to_string();
    }
    store_->flush();
  }
  void set_full(bool full) {
    files_.set_fault([full](FileStep step, std::uint64_t) {
      return full && step == FileStep::kWrite ? ENOSPC : 0;
    });
  }
  void retry() {
    clock_.advance(std::chrono::seconds(10));
    store_->look_at_folder();
  }
  // Whether the next store knows what was told.
  void expect_told() {
    store_.reset();
    const auto next = open().value();
    for (const auto& [key, address] : told_) {
      ASSERT_NE(next->find(key), std::nullopt) << key;
      EXPECT_EQ(next->find(key)->ipv4->to_string(), address);
    }
  }

  std::unique_ptr<LeaseStore> store_;
  std::map<std::string, std::string> told_;
};

TEST_F(LeaseStoreInMemory, AreOnDiskOnceThereIsRoom) {
  retry();
  EXPECT_NE(store_->state_note(), "");
  set_full(false);
  store_->look_at_folder();
  EXPECT_NE(store_->state_note(), "");  // not yet again
  retry();
  EXPECT_EQ(store_->state_note(), "");
  EXPECT_EQ(metrics_.degraded.value(), 0);
  EXPECT_EQ(store_->acquire("a").status, LeaseStatus::kDurable);
  EXPECT_EQ(store_->acquire("c").status, LeaseStatus::kPending);
  told_["c"] = acquire_durably(*store_, "c");
  expect_told();
}

TEST_F(LeaseStoreInMemory, LeaveAloneWhatSomebodyElseHasWrittenMeanwhile) {
  set_full(false);
  {
    const auto other = open().value();
    (void)acquire_durably(*other, "theirs");
  }
  const std::string content = folder_.read("state/vips.journal");
  retry();
  EXPECT_NE(store_->state_note(), "");
  EXPECT_EQ(folder_.read("state/vips.journal"), content);
}

TEST_F(LeaseStoreInMemory, WaitUntilTheFolderIsTheirs) {
  set_full(false);
  {
    const auto other = open().value();
    retry();
    EXPECT_NE(store_->state_note(), "");
  }
  (void)std::filesystem::remove(folder_.file("state/vips.journal"));
  retry();
  EXPECT_EQ(store_->state_note(), "");
  expect_told();
}

TEST_F(LeaseStoreTest, GoesOnWithWhatTheJournalSaysAndTellsNothingElseUntilThereIsRoom) {
  std::string told;
  {
    const auto store = open().value();
    told = acquire_durably(*store, "old");
  }
  const auto read_only = [](FileStep step, std::uint64_t) {
    return step == FileStep::kLock ? EROFS : 0;
  };
  std::string new_one;
  {
    files_.set_fault(read_only);
    const auto store = open(StateMode::kGoOn).value();
    EXPECT_EQ(store->acquire("old").status, LeaseStatus::kDurable);
    EXPECT_EQ(store->acquire("old").ipv4->to_string(), told);
    EXPECT_EQ(store->acquire("new").status, LeaseStatus::kStorageFailed);
    store->flush();
    EXPECT_EQ(store->find("new")->status, LeaseStatus::kStorageFailed);
    EXPECT_NE(store->state_note().find("withheld"), std::string::npos) << store->state_note();
    EXPECT_EQ(metrics_.degraded.value(), 1);

    files_.set_fault({});
    clock_.advance(std::chrono::seconds(10));
    store->look_at_folder();
    EXPECT_EQ(changed_.back(), "new");
    EXPECT_EQ(store->acquire("new").status, LeaseStatus::kDurable);
    EXPECT_EQ(store->state_note(), "");
    EXPECT_EQ(metrics_.degraded.value(), 0);
    new_one = store->find("new")->ipv4->to_string();
    (void)acquire_durably(*store, "after");
  }
  const auto store = open().value();
  EXPECT_EQ(store->find("old")->ipv4->to_string(), told);
  EXPECT_EQ(store->find("new")->ipv4->to_string(), new_one);
  EXPECT_NE(store->find("after"), std::nullopt);
}

TEST_F(LeaseStoreTest, NeverOverwritesAFileThatIsNotItsOwn) {
  {
    const auto store = open().value();
  }
  for (const std::string content :
       {"precious data of somebody else, long enough to be looked at"}) {
    (void)folder_.write("state/vips.journal", content);
    EXPECT_FALSE(open());
    const auto store = open(StateMode::kBestEffort).value();
    (void)store->acquire("a");
    clock_.advance(std::chrono::minutes(1));
    store->look_at_folder();
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
    EXPECT_NE(store->state_note().find("corrupt-1"), std::string::npos);
    EXPECT_EQ(metrics_.journal_damages.value(), 1U);
    // A journal that can be written is no reason to forget that.
    (void)acquire_durably(*store, "third");
    EXPECT_NE(store->state_note().find("corrupt-1"), std::string::npos);
  }
  EXPECT_EQ(folder_.read("state/vips.journal.corrupt-1"), content);
  const auto store = open();  // the new journal is sound
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->state_note(), "");
}

TEST_F(LeaseStoreTest, LeavesADamagedJournalWhereItIsWhenTheDiskIsFull) {
  {
    const auto store = open().value();
    (void)acquire_durably(*store, "first");
    (void)acquire_durably(*store, "second");
  }
  std::string content = folder_.read("state/vips.journal");
  content[content.find("first")] ^= 1;
  (void)folder_.write("state/vips.journal", content);
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? ENOSPC : 0; });
  const auto required = open();
  ASSERT_FALSE(required);
  EXPECT_EQ(required.error().code, ErrorCode::kNoSpace);
  const auto store = open(StateMode::kBestEffort).value();
  EXPECT_NE(store->find("second"), std::nullopt);  // in memory, what could be read counts
  EXPECT_EQ(folder_.read("state/vips.journal"), content);
}

TEST_F(LeaseStoreTest, GivesNothingToAKeyThatCouldNotBeRecorded) {
  const auto store = open().value();
  EXPECT_EQ(store->acquire("").status, LeaseStatus::kStorageFailed);
  EXPECT_EQ(store->acquire(std::string(kMaxKeyOctets + 1, 'k')).status,
            LeaseStatus::kStorageFailed);
  EXPECT_EQ(store->find(std::string(kMaxKeyOctets + 1, 'k')), std::nullopt);
  EXPECT_NE(acquire_durably(*store, std::string(kMaxKeyOctets, 'k')), "");
}

TEST_F(LeaseStoreTest, AnExhaustedPoolLeavesLeasesAloneAndHasRoomAfterAQuarantine) {
  pool_ = "192.0.2.0/30";  // two addresses
  const auto store = open().value();
  const std::string first = acquire_durably(*store, "first");
  const std::string second = acquire_durably(*store, "second");
  EXPECT_EQ(store->acquire("third").status, LeaseStatus::kExhausted);
  EXPECT_EQ(metrics_.exhausted.value(), 1);
  EXPECT_EQ(store->acquire("first").status, LeaseStatus::kDurable);
  EXPECT_EQ(metrics_.exhausted.value(), 1);  // the third still has none
  store->release("first");
  clock_.advance(std::chrono::minutes(5) - std::chrono::nanoseconds(1));
  EXPECT_EQ(store->acquire("third").status, LeaseStatus::kExhausted);
  clock_.advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(acquire_durably(*store, "third"), first);
  EXPECT_EQ(metrics_.exhausted.value(), 0);
  EXPECT_EQ(store->find("second")->ipv4->to_string(), second);
}

TEST_F(LeaseStoreTest, AServiceThatAskedInVainAndIsGoneLeavesNoPoolExhausted) {
  pool_ = "192.0.2.0/30";
  const auto store = open().value();
  for (const auto* key : {"first", "second", "third", "fourth"}) {
    (void)store->acquire(key);
  }
  store->release("third");
  EXPECT_EQ(metrics_.exhausted.value(), 1);
  store->release("fourth");
  EXPECT_EQ(metrics_.exhausted.value(), 0);
}

TEST_F(LeaseStoreTest, BeginsQuarantinesAnewAtARestart) {
  pool_ = "192.0.2.0/30";
  std::string freed;
  {
    const auto store = open().value();
    freed = acquire_durably(*store, "first");
    (void)acquire_durably(*store, "second");
    store->release("first");
  }
  clock_.advance(std::chrono::minutes(4));
  const auto store = open().value();
  clock_.advance(std::chrono::minutes(4));
  EXPECT_EQ(store->acquire("third").status, LeaseStatus::kExhausted);
  EXPECT_EQ(store->holder(IpAddress::parse(freed).value()), "first");
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(acquire_durably(*store, "third"), freed);
}

class LeaseStorePins : public LeaseStoreTest {
 protected:
  LeaseStorePins() { pool_ = "192.0.2.0/29"; }

  static Pin pin(const std::string& key, const std::string& address) {
    return {key, IpAddress::parse(address), std::nullopt};
  }
  // Why the pins may not be; when all may, they are, and are on disk.
  std::vector<PinRefusal::Reason> pin_durably(LeaseStore& store, const std::vector<Pin>& pins,
                                              PinMode mode = PinMode::kOnlyWithoutLease) {
    std::vector<PinRefusal::Reason> reasons;
    for (const PinRefusal& refusal : store.refusals(pins, mode)) {
      reasons.push_back(refusal.reason);
    }
    if (reasons.empty()) {
      store.pin(pins);
      confirm(store);
    }
    return reasons;
  }
  void confirm(LeaseStore& store) {
    std::optional<bool> recorded;
    store.confirm([&](const Result<void>& result) { recorded = result.has_value(); });
    while (!recorded) {
      ASSERT_TRUE(tasks_.run_one());
    }
    recorded_ = *recorded;
  }
  static std::string holder(const LeaseStore& store, const std::string& address) {
    return std::string(store.holder(*IpAddress::parse(address)).value_or("nobody"));
  }

  using Reason = PinRefusal::Reason;
  bool recorded_ = false;
};

TEST_F(LeaseStorePins, AreKeptOverARestart) {
  {
    const auto store = open().value();
    EXPECT_TRUE(pin_durably(*store, {pin("a", "192.0.2.3"), pin("b", "192.0.2.6")}).empty());
    EXPECT_TRUE(recorded_);
    EXPECT_TRUE(pin_durably(*store, {pin("a", "192.0.2.3")}).empty());  // as it is
  }
  const auto store = open().value();
  EXPECT_EQ(store->acquire("a").ipv4->to_string(), "192.0.2.3");
  EXPECT_EQ(store->acquire("b").ipv4->to_string(), "192.0.2.6");
  EXPECT_EQ(store->acquire("a").status, LeaseStatus::kDurable);
}

TEST_F(LeaseStorePins, AreRefusedWhereTheyWouldBreakAPromise) {
  const auto store = open().value();
  const std::string held = acquire_durably(*store, "held");
  const std::string left = acquire_durably(*store, "left");
  store->release("left");
  const std::string free =
      "192.0.2." + std::to_string(holder(*store, "192.0.2.1") == "nobody"   ? 1
                                  : holder(*store, "192.0.2.2") == "nobody" ? 2
                                                                            : 3);
  for (const auto& [pins, reason] : std::vector<std::pair<std::vector<Pin>, Reason>>{
           {{pin("new", held)}, Reason::kHeld},
           {{pin("new", left)}, Reason::kQuarantined},
           {{pin("held", free)}, Reason::kHasLease},
           {{pin("new", "192.0.2.0")}, Reason::kPoolEdge},
           {{pin("new", "192.0.2.7")}, Reason::kPoolEdge},
           {{pin("new", "192.0.2.8")}, Reason::kOutsidePool},
           {{pin("new", free), pin("newer", free)}, Reason::kRepeated},
           {{pin("new", free), pin("new", "192.0.2.6")}, Reason::kRepeated}}) {
    EXPECT_EQ(pin_durably(*store, pins), std::vector{reason});
  }
  // To be forced helps only against the lease that the key itself holds.
  EXPECT_EQ(pin_durably(*store, {pin("new", held)}, PinMode::kForce), std::vector{Reason::kHeld});
  EXPECT_EQ(pin_durably(*store, {pin("new", left)}, PinMode::kForce),
            std::vector{Reason::kQuarantined});
  // Its own address is nobody else's.
  EXPECT_TRUE(pin_durably(*store, {pin("left", left)}).empty());
}

TEST_F(LeaseStorePins, QuarantineTheAddressThatAForcedOneTakesAway) {
  std::string old;
  std::string chosen;
  {
    const auto store = open().value();
    old = acquire_durably(*store, "a");
    chosen = old == "192.0.2.5" ? "192.0.2.4" : "192.0.2.5";
    EXPECT_TRUE(pin_durably(*store, {pin("a", chosen)}, PinMode::kForce).empty());
    EXPECT_EQ(store->acquire("a").ipv4->to_string(), chosen);
    EXPECT_EQ(pin_durably(*store, {pin("b", old)}), std::vector{Reason::kQuarantined});
    clock_.advance(std::chrono::minutes(4));
  }
  const auto store = open().value();
  clock_.advance(std::chrono::minutes(4));
  EXPECT_EQ(holder(*store, old), former_key(*IpAddress::parse(old)));
  EXPECT_EQ(pin_durably(*store, {pin("b", old)}), std::vector{Reason::kQuarantined});
  clock_.advance(std::chrono::minutes(1));
  EXPECT_TRUE(pin_durably(*store, {pin("b", old)}).empty());
  EXPECT_EQ(store->acquire("a").ipv4->to_string(), chosen);
  EXPECT_EQ(store->acquire("b").ipv4->to_string(), old);
}

// Whichever step fails: afterwards all pins are there or none is.
TEST_F(LeaseStorePins, AreAllThereOrNone) {
  const std::vector<Pin> pins{pin("a", "192.0.2.3"), pin("b", "192.0.2.4"), pin("c", "192.0.2.5")};
  std::set<std::size_t> found;
  for (std::uint64_t failing = 0; failing < 12; ++failing) {
    (void)std::filesystem::remove_all(folder_.file("state"));
    files_.set_fault({});
    bool was_recorded = false;
    {
      const auto store = open().value();
      const std::uint64_t base = files_.steps();
      files_.set_torn_write_bytes(70);
      files_.set_fault(
          [&](FileStep, std::uint64_t index) { return index >= base + failing ? EIO : 0; });
      EXPECT_TRUE(pin_durably(*store, pins).empty());
      was_recorded = recorded_;
    }
    files_.set_fault({});
    const auto store = open().value();
    std::size_t there = 0;
    for (const Pin& each : pins) {
      there += store->find(each.key) ? 1U : 0U;
    }
    EXPECT_TRUE(there == 0 || there == pins.size()) << there;
    EXPECT_TRUE(!was_recorded || there == pins.size());
    found.insert(there);
  }
  EXPECT_EQ(found, (std::set<std::size_t>{0, pins.size()}));
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

TEST_F(LeaseStoreTest, AJournalWrittenAnewLeavesOutWhatIsOutOfQuarantine) {
  const auto store = open().value();
  const std::string gone(8000, 'g');
  const std::string quarantined(8000, 'q');
  (void)acquire_durably(*store, gone);
  store->release(gone);
  clock_.advance(std::chrono::minutes(5));
  for (int i = 0; i < 100; ++i) {
    (void)store->acquire(quarantined);
    store->release(quarantined);
  }
  store->flush();  // appends more than a mebibyte
  (void)acquire_durably(*store, "last");
  const std::string content = folder_.read("state/vips.journal");
  EXPECT_EQ(content.find(gone), std::string::npos);
  EXPECT_NE(content.find(quarantined), std::string::npos);
  EXPECT_LT(content.size(), std::size_t{16'000});
}

// What fails for as long as the disk is sick; the first append fails as well, so that the journal
// must be written anew.
struct SickDisk {
  const char* name;
  FileStep step;
  int error;
  std::size_t torn_write_bytes = 0;
  bool only_folders = false;  // of syncs: only the one after a rename
};

class LeaseStoreOnASickDisk : public LeaseStoreTest, public testing::WithParamInterface<SickDisk> {
 protected:
  // Called by the journal's thread alone once a store is open.
  int fault(FileStep step) {
    if (!sick_) {
      return 0;
    }
    if (step == FileStep::kWrite && !std::exchange(append_failed_, true)) {
      return GetParam().error;
    }
    const bool after_rename =
        std::exchange(renamed_, step == FileStep::kRename || (renamed_ && step == FileStep::kOpen));
    const bool fails = step == GetParam().step && (!GetParam().only_folders || after_rename);
    return fails ? GetParam().error : 0;
  }

  std::atomic<bool> sick_ = false;
  bool append_failed_ = false;
  bool renamed_ = false;
};

TEST_P(LeaseStoreOnASickDisk, TellsNothingNewUntilTheDiskIsWellAndThenEverything) {
  files_.set_torn_write_bytes(GetParam().torn_write_bytes);
  files_.set_fault([this](FileStep step, std::uint64_t) { return fault(step); });
  std::map<std::string, std::string> told;
  {
    const auto store = open().value();
    told["old"] = acquire_durably(*store, "old");
    changed_.clear();
    sick_ = true;
    (void)store->acquire("new");
    store->flush();
    await_failures(2);
    (void)store->acquire("newer");
    store->flush();
    await_failures(2);
    EXPECT_EQ(store->find("new")->status, LeaseStatus::kStorageFailed);
    EXPECT_EQ(store->find("newer")->status, LeaseStatus::kStorageFailed);
    EXPECT_EQ(store->acquire("old").status, LeaseStatus::kDurable);
    EXPECT_NE(store->state_note().find("withheld"), std::string::npos) << store->state_note();
    EXPECT_EQ(metrics_.degraded.value(), 1);
    // Each is named once, however often the journal fails.
    EXPECT_EQ(changed_, (std::vector<std::string>{"new", "newer"}));

    sick_ = false;
    told["new"] = acquire_durably(*store, "new");
    told["newer"] = acquire_durably(*store, "newer");
    EXPECT_EQ(store->state_note(), "");
    EXPECT_EQ(metrics_.degraded.value(), 0);
    told["after"] = acquire_durably(*store, "after");  // appended again
  }
  const auto store = open().value();
  for (const auto& [key, address] : told) {
    ASSERT_NE(store->find(key), std::nullopt) << key;
    EXPECT_EQ(store->find(key)->ipv4->to_string(), address) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, LeaseStoreOnASickDisk,
    testing::Values(SickDisk{"WriteFull", FileStep::kWrite, ENOSPC},
                    SickDisk{"WriteTornInARecord", FileStep::kWrite, ENOSPC, 3},
                    SickDisk{"WriteTornInAHeader", FileStep::kWrite, EDQUOT, 30},
                    SickDisk{"WriteBroken", FileStep::kWrite, EIO},
                    SickDisk{"SyncBroken", FileStep::kSync, EIO},
                    SickDisk{"SyncFull", FileStep::kSync, ENOSPC},
                    SickDisk{"SyncOfTheFolderBroken", FileStep::kSync, EIO, 0, true},
                    SickDisk{"RenameFull", FileStep::kRename, ENOSPC},
                    SickDisk{"RenameReadOnly", FileStep::kRename, EROFS},
                    SickDisk{"OpenFull", FileStep::kOpen, ENOSPC},
                    SickDisk{"OpenWithoutDescriptors", FileStep::kOpen, EMFILE}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace meshdns::vip
