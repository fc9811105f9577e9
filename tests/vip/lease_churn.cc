// A program that allocates, tells and releases leases until it is killed. tests/vip/kills_test.cc
// starts it over and over on one folder.
//
// usage: lease_churn FOLDER SEED PHASE
//
// It tells on standard output, one `NUMBER ADDRESS` a line, what a resolver would answer. In the
// phases start, write, fsync, rename and compaction it kills itself with SIGKILL before, in the
// middle of or after a step on a file that belongs to that phase; in the phase `any` it waits for
// its parent to do so.
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/vip/churn.h"
#include "tests/vip/tasks.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::vip {
namespace {

[[noreturn]] void kill_this_process() {
  ::kill(::getpid(), SIGKILL);
  std::abort();  // never: SIGKILL comes before kill(2) returns
}

enum class Step : std::uint8_t { kWrite, kSync, kRename, kOther };

// The real file system, and death in one of its steps.
class DeadlyFileSystem final : public FileSystem {
 private:
  template <typename Call>
  auto around(Step step, Call call) {
    const bool is_last = is_due(step);
    if (is_last && moment_ == 0) {
      kill_this_process();
    }
    auto result = call();
    if (is_last) {
      kill_this_process();
    }
    return result;
  }

  // Whether this is the step to die in.
  bool is_due(Step step) {
    const bool belongs = (phase_ == "start" && !is_started_) ||
                         (phase_ == "write" && is_append() && step == Step::kWrite) ||
                         (phase_ == "fsync" && is_append() && step == Step::kSync) ||
                         (phase_ == "rename" && is_started_ && step == Step::kRename) ||
                         (phase_ == "compaction" && is_compaction_);
    return belongs && --steps_left_ == 0;
  }
  [[nodiscard]] bool is_append() const { return is_started_ && !is_compaction_; }

 public:
  DeadlyFileSystem(std::string phase, std::mt19937_64& engine)
      : phase_(std::move(phase)), moment_(engine() % 3), torn_(engine()) {
    const std::uint64_t steps = phase_ == "start" ? 25 : phase_ == "rename" ? 2 : 12;
    steps_left_ = engine() % steps + 1;
  }

  // From now on nothing is part of the start.
  void end_start() {
    if (phase_ == "start") {
      kill_this_process();  // the start had fewer steps
    }
    is_started_ = true;
  }

  [[nodiscard]] Result<UniqueFd> open(const std::string& path, int flags, mode_t mode) override {
    is_compaction_ = is_started_ && (is_compaction_ || path.ends_with(".tmp"));
    auto file = around(Step::kOther, [&] { return real_.open(path, flags, mode); });
    if (path.ends_with(".journal")) {
      is_compaction_ = false;  // its last step
    }
    return file;
  }
  [[nodiscard]] Result<std::size_t> read(int fd, std::span<char> into) override {
    return around(Step::kOther, [&] { return real_.read(fd, into); });
  }
  [[nodiscard]] Result<std::size_t> write(int fd, std::string_view data) override {
    const bool is_last = is_due(Step::kWrite);
    if (is_last && moment_ == 1) {
      (void)real_.write(fd, data.substr(0, torn_ % data.size()));
    }
    if (is_last && moment_ < 2) {
      kill_this_process();
    }
    auto written = real_.write(fd, data);
    if (is_last) {
      kill_this_process();
    }
    return written;
  }
  [[nodiscard]] Result<std::size_t> read_at(int fd, std::uint64_t offset,
                                            std::span<char> into) override {
    return around(Step::kOther, [&] { return real_.read_at(fd, offset, into); });
  }
  [[nodiscard]] Result<void> sync(int fd) override {
    return around(Step::kSync, [&] { return real_.sync(fd); });
  }
  [[nodiscard]] Result<void> truncate(int fd, std::uint64_t size_bytes) override {
    return around(Step::kOther, [&] { return real_.truncate(fd, size_bytes); });
  }
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override {
    return around(Step::kRename, [&] { return real_.rename(from, to); });
  }
  [[nodiscard]] Result<void> remove(const std::string& path) override {
    return around(Step::kOther, [&] { return real_.remove(path); });
  }
  [[nodiscard]] Result<void> make_directory(const std::string& path, mode_t mode) override {
    return around(Step::kOther, [&] { return real_.make_directory(path, mode); });
  }
  [[nodiscard]] Result<void> lock(int fd) override {
    return around(Step::kOther, [&] { return real_.lock(fd); });
  }
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) override {
    return around(Step::kOther, [&] { return real_.list(directory); });
  }

 private:
  PosixFileSystem real_;
  std::string phase_;
  std::uint64_t moment_;  // 0 before the step, 1 in its middle where it has one, 2 after it
  std::uint64_t torn_;
  std::uint64_t steps_left_ = 0;
  std::atomic<bool> is_started_ = false;
  bool is_compaction_ = false;  // of the thread that writes the journal
};

class Churn {
 public:
  Churn(std::string folder, std::uint64_t seed, const std::string& phase)
      : engine_(seed),
        writes_much_(phase == "rename" || phase == "compaction" || random(4) == 0),
        files_(phase, engine_) {
    LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse(kChurnPool).value();
    options.directory = std::move(folder);
    options.mode = StateMode::kRequired;
    options.quarantine = std::chrono::hours(24);  // none ends while its oracle lives
    auto store = LeaseStore::open(
        options, files_, clock_, [this](auto task) { tasks_.post(std::move(task)); },
        [this](const auto& keys) { tell(keys); }, logs_->logger("vip"), metrics_);
    if (!store) {
      std::fprintf(stderr, "%s\n", store.error().message.c_str());
      std::exit(EXIT_FAILURE);  // NOLINT(concurrency-mt-unsafe): the only thread
    }
    store_ = std::move(*store);
    files_.end_start();
  }

  // Returns only when the journal hangs.
  void run() {
    while (true) {
      change();
      if (writes_much_ && random(3) == 0) {
        overgrow();
      }
      store_->flush();
      ++flushes_;
      // Sometimes more is asked for while a batch is under way.
      while (random(3) != 0 && metrics_.journal_syncs.value() < flushes_) {
        if (!tasks_.run_one()) {
          return;
        }
      }
      // Behind by a few batches at most.
      while (metrics_.journal_syncs.value() + 3 < flushes_) {
        if (!tasks_.run_one()) {
          return;
        }
      }
    }
  }

 private:
  void change() {
    // One change at least in each batch.
    change_one(churn_key(next_++ % kChurnKeys));
    for (std::uint64_t i = random(4); i > 0; --i) {
      change_one(churn_key(random(kChurnKeys)));
    }
  }

  void change_one(const std::string& key) {
    const auto lease = store_->find(key);
    if (lease && random(3) == 0) {
      store_->release(key);
      return;
    }
    (void)store_->acquire(key);
    tell({key});
    if (lease) {
      // So that the batch is not empty.
      store_->release(key);
      (void)store_->acquire(key);
    }
  }

  void overgrow() {
    const std::string key = churn_key(0);
    for (int i = 0; i < 100; ++i) {
      (void)store_->acquire(key);
      store_->release(key);
    }
  }

  void tell(const std::vector<std::string>& keys) {
    std::string lines;
    for (const std::string& key : keys) {
      const auto lease = store_->find(key);
      if (lease && lease->status == LeaseStatus::kDurable) {
        lines += std::to_string(churn_number(key)) + " " + address_of(*lease) + "\n";
      }
    }
    if (!lines.empty() && ::write(STDOUT_FILENO, lines.data(), lines.size()) < 0) {
      std::abort();
    }
  }

  std::uint64_t random(std::uint64_t limit) { return engine_() % limit; }

  std::mt19937_64 engine_;
  bool writes_much_;
  DeadlyFileSystem files_;
  SystemClock clock_;
  Tasks tasks_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  VipMetrics metrics_{registry_};
  std::uint64_t next_ = 0;
  std::uint64_t flushes_ = 0;
  std::unique_ptr<LeaseStore> store_;
};

}  // namespace
}  // namespace meshdns::vip

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  if (arguments.size() != 4) {
    std::fprintf(stderr, "usage: lease_churn FOLDER SEED PHASE\n");
    return EXIT_FAILURE;
  }
  std::uint64_t seed = 0;
  const std::string_view text = arguments[2];
  std::from_chars(text.data(), text.data() + text.size(), seed);
  meshdns::vip::Churn(arguments[1], seed, arguments[3]).run();
  std::fprintf(stderr, "the journal hangs\n");
  return EXIT_FAILURE;
}
