// Each write, fsync, rename, truncate, open and every other step on a file fails in turn, until
// none is left to fail: what was told is found again, and nothing is told that is not on disk.
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <ios>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_directory.h"
#include "tests/vip/churn.h"
#include "tests/vip/tasks.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::vip {
namespace {

using support::FaultyFileSystem;
using support::FileStep;

constexpr std::array<std::pair<FileStep, const char*>, 10> kStepNames{{
    {FileStep::kOpen, "open"},
    {FileStep::kRead, "read"},
    {FileStep::kWrite, "write"},
    {FileStep::kSync, "fsync"},
    {FileStep::kTruncate, "truncate"},
    {FileStep::kRename, "rename"},
    {FileStep::kRemove, "remove"},
    {FileStep::kMakeDirectory, "mkdir"},
    {FileStep::kLock, "lock"},
    {FileStep::kList, "list"},
}};

// One folder and the lives of the stores on it, in which one step fails.
class Lives {
 public:
  // Which step failed; nothing when there are not so many.
  std::optional<FileStep> run(std::uint64_t failing) {
    std::optional<FileStep> failed;
    files_.set_torn_write_bytes(failing % 40);
    files_.set_fault([&](FileStep step, std::uint64_t index) {
      if (index == failing) {
        failed = step;
      }
      return index == failing ? EIO : 0;
    });
    first_life();
    tear();
    second_life();
    damage();
    third_life();
    const bool had_it = failed.has_value();
    files_.set_fault({});
    expect_told();
    return had_it ? failed : std::nullopt;
  }

 private:
  std::unique_ptr<LeaseStore> open() {
    LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse(kChurnPool).value();
    options.directory = folder_.file("state");
    options.mode = StateMode::kRequired;
    auto store = LeaseStore::open(
        options, files_, clock_, [this](auto task) { tasks_.post(std::move(task)); },
        [](const auto&) {}, logs_->logger("vip"), metrics_);
    error_ = store ? "" : store.error().message;
    return store ? std::move(*store) : nullptr;
  }

  // Acquires, waits until that may be told, and looks whether it is on disk then.
  void tell(LeaseStore& store, const std::string& key) {
    (void)store.acquire(key);
    store.flush();
    while (store.find(key)->status != LeaseStatus::kDurable) {
      ASSERT_TRUE(tasks_.run_one());
    }
    EXPECT_NE(journal().find(key), std::string::npos) << key << " was told and is not on disk";
    const std::string address = address_of(*store.find(key));
    EXPECT_EQ(told_.emplace(key, address).first->second, address) << key;
  }

  // The journal is made, appended to, and written anew.
  void first_life() {
    if (const auto store = open()) {
      tell(*store, "first");
      tell(*store, "released");
      store->release("released");
      tell(*store, "victim");
      const std::string big(8000, 'b');
      for (int i = 0; i < 70; ++i) {
        (void)store->acquire(big);
        store->release(big);
      }
      tell(*store, "before");
      tell(*store, "anew");
      tell(*store, "after");
    }
  }
  // The end of a record that a power loss cut short.
  void tear() const {
    if (!journal().empty()) {
      std::ofstream(journal_path(), std::ios::binary | std::ios::app) << "torn";
    }
  }
  // The torn tail is cut.
  void second_life() {
    if (const auto store = open()) {
      tell(*store, "first");
      tell(*store, "second");
    }
  }
  // What was told of "victim" is lost, and of nobody else.
  void damage() {
    std::string content = journal();
    if (const auto place = content.find("victim"); place != std::string::npos) {
      content[place] ^= 1;
      (void)folder_.write("state/vips.journal", content);
    }
    told_.erase("victim");
  }
  // The damaged journal is kept and written anew.
  void third_life() {
    if (const auto store = open()) {
      tell(*store, "first");
      tell(*store, "third");
    }
  }

  void expect_told() {
    const auto store = open();
    ASSERT_NE(store, nullptr) << error_;
    for (const auto& [key, address] : told_) {
      EXPECT_EQ(holder_of(*store, address), key);
      EXPECT_EQ(address_of(store->acquire(key)), address) << key;
    }
  }

  [[nodiscard]] std::string journal_path() const { return folder_.file("state/vips.journal"); }
  [[nodiscard]] std::string journal() const {
    const std::ifstream stream(journal_path(), std::ios::binary);
    std::ostringstream content;
    content << stream.rdbuf();
    return content.str();
  }

  support::TemporaryDirectory folder_;
  FaultyFileSystem files_;
  support::ManualClock clock_;
  Tasks tasks_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  VipMetrics metrics_{registry_};
  std::map<std::string, std::string> told_;
  std::string error_;  // of the last open()
};

TEST(FailingSteps, NoToldLeaseIsLostOrMovedAndNoneIsToldThatIsNotOnDisk) {
  constexpr std::uint64_t kTooMany = 500;
  std::map<FileStep, int> failed;
  std::uint64_t failing = 0;
  for (;; ++failing) {
    ASSERT_LT(failing, kTooMany) << "the number of steps does not end";
    SCOPED_TRACE("step " + std::to_string(failing) + " fails");
    const auto step = Lives().run(failing);
    ASSERT_FALSE(HasFailure());
    if (!step) {
      break;
    }
    ++failed[*step];
  }
  for (const auto& [step, name] : kStepNames) {
    std::printf("%d of %llu failing steps were %s\n", failed[step],
                static_cast<unsigned long long>(failing), name);
  }
  for (const FileStep step : {FileStep::kWrite, FileStep::kSync, FileStep::kRename,
                              FileStep::kTruncate, FileStep::kOpen}) {
    EXPECT_GT(failed[step], 0);
  }
}

}  // namespace
}  // namespace meshdns::vip
