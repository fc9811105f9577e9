#include "resolver/app/last_known_good.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "resolver/app/metrics.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_wall_clock.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"
#include "tests/vip/tasks.h"

namespace meshdns::dns {
namespace {

constexpr int kResources = 20'000;
// Beside those of the table: that all is read, and what became of the files.
constexpr int kOtherTasks = 4;

class LastKnownGoodTest : public testing::Test {
 protected:
  void start() {
    restored_.reset();
    known_good_ = std::make_unique<LastKnownGood>(
        LastKnownGood::Options{.directory = folder_.path(),
                               .feed_fingerprint = "f",
                               .table_fingerprint = "t",
                               .feeds = {"mesh"},
                               .read =
                                   [this](const std::string& feed, const auto& log) {
                                     ++parts_read_;
                                     discovery::ServiceDelta part{.feed = feed};
                                     for (const auto& item : log.resources) {
                                       part.accepted.push_back(
                                           {std::string(item.name), std::string(item.version), ""});
                                     }
                                     return part;
                                   },
                               .limits = {}},
        LastKnownGood::Environment{.files = files_,
                                   .clock = clock_,
                                   .wall = wall_,
                                   .log = logs_->logger("table"),
                                   .metrics = metrics_});
    known_good_->start(
        [this](std::function<void()> task) {
          most_waiting_ = std::max(most_waiting_.load(), ++waiting_);
          tasks_.post(std::move(task));
        },
        true,
        {.on_part = [](const discovery::ServiceDelta&) {},
         .on_restored =
             [this](LastKnownGood::Restored restored) { restored_ = std::move(restored); },
         .on_written = [] {}});
  }
  void run_one() {
    ASSERT_TRUE(tasks_.run_one());
    --waiting_;
  }
  void run_until_restored() {
    while (!restored_) {
      ASSERT_NO_FATAL_FAILURE(run_one());
    }
  }
  // A table that the disk has.
  void keep_table() {
    start();
    run_until_restored();
    discovery::ServiceDelta delta{.feed = "mesh"};
    for (int i = 0; i < kResources; ++i) {
      delta.accepted.push_back({fmt::format("default/s{}", i), "1", "value"});
    }
    known_good_->record(delta, discovery::TableChange());
    known_good_->record_whole("mesh");
    known_good_.reset();
    parts_read_ = 0;
    most_waiting_ = 0;
  }

  support::TemporaryDirectory folder_;
  support::FaultyFileSystem files_;
  support::ManualClock clock_;
  support::ManualWallClock wall_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  AppMetrics metrics_{registry_};
  vip::Tasks tasks_;
  std::atomic<int> waiting_{0};
  std::atomic<int> most_waiting_{0};
  std::atomic<int> parts_read_{0};
  std::optional<LastKnownGood::Restored> restored_;
  std::unique_ptr<LastKnownGood> known_good_;
};

// Else it would all wait in the control thread's queue, in memory, and before its timers.
TEST_F(LastKnownGoodTest, ReadsALargeTableAsFastAsItIsTaken) {
  keep_table();
  start();
  run_until_restored();
  EXPECT_TRUE(restored_->are_complete());
  EXPECT_EQ(restored_->feeds["mesh"].held.size(), kResources);
  EXPECT_GT(parts_read_, 20);
  EXPECT_LE(most_waiting_, 4 + kOtherTasks);
}

// A table of which a part was not read is not one: what is not in it would be denied.
TEST_F(LastKnownGoodTest, IsNotCompleteWhicheverReadFails) {
  keep_table();
  bool has_failed = true;
  for (int failing = 0; has_failed; failing += failing < 8 ? 1 : 13) {
    SCOPED_TRACE(failing);
    has_failed = false;
    files_.set_fault([&, reads = 0](support::FileStep step, std::uint64_t) mutable {
      const bool now = step == support::FileStep::kRead && reads++ == failing;
      has_failed = has_failed || now;
      return now ? EIO : 0;
    });
    start();
    run_until_restored();
    known_good_.reset();
    files_.set_fault({});
    if (restored_->are_complete()) {
      EXPECT_EQ(restored_->feeds["mesh"].held.size(), kResources);
    } else {
      EXPECT_TRUE(has_failed);
    }
  }
}

TEST_F(LastKnownGoodTest, EndsWhileNobodyTakesWhatItReads) {
  keep_table();
  start();
  ASSERT_TRUE(support::wait_until([this] { return parts_read_ > 4; }));
  known_good_.reset();
  EXPECT_LT(parts_read_, 20);
}

// Of a large table, or on a slow disk.
TEST_F(LastKnownGoodTest, WritesImagesThatTakeLongFurtherApart) {
  using std::chrono::seconds;
  start();
  ASSERT_NO_FATAL_FAILURE(run_until_restored());
  const auto builder =
      SnapshotBuilder::create({.owned_zones = {"mesh."}, .hash_key = HashKey{1, 2}}).value();
  const auto snapshot = builder->build();
  const auto pause_after = [&](seconds taken) {
    known_good_->note_published();
    clock_.advance(*known_good_->wake_at() - clock_.now());
    const TimePoint begun = clock_.now();
    known_good_->run(*snapshot);
    EXPECT_EQ(known_good_->wake_at(), std::nullopt);  // one at a time
    known_good_->note_published();
    clock_.advance(taken);
    while (!known_good_->wake_at() && !HasFatalFailure()) {
      run_one();
    }
    return known_good_->wake_at().value_or(begun) - begun;
  };
  EXPECT_EQ(pause_after(seconds(0)), seconds(15));
  EXPECT_EQ(pause_after(seconds(1)), seconds(200));
  EXPECT_EQ(pause_after(seconds(0)), seconds(15));
  // The machine slept meanwhile, which the clock counts.
  EXPECT_EQ(pause_after(std::chrono::hours(8)), std::chrono::minutes(10));
  // A disk that takes nothing is tried again soon, however long it took to say so.
  files_.set_fault([](support::FileStep step, std::uint64_t) {
    return step == support::FileStep::kWrite ? EIO : 0;
  });
  EXPECT_EQ(pause_after(seconds(60)), seconds(15));
  files_.set_fault({});
}

}  // namespace
}  // namespace meshdns::dns
