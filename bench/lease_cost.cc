// What it takes to give many services their addresses, to have that on disk, and to load it again:
// the store of the resolver, on a folder that must not exist.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "bench/program.h"
#include "vip/default_pools.h"
#include "vip/key.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::bench {
namespace {

struct CommandLine {
  std::string folder;
  std::uint64_t leases = 1'000'000;
};

// The control thread's tasks: one at a time, on the thread that asks for it.
class Tasks {
 public:
  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    arrived_.notify_all();
  }
  void run_one() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !tasks_.empty(); });
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> tasks_;
};

// Wall clock and CPU time since it was made.
class Stopwatch {
 public:
  [[nodiscard]] double wall() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  [[nodiscard]] double cpu() const {
    return static_cast<double>(std::clock() - clock_) / static_cast<double>(CLOCKS_PER_SEC);
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::clock_t clock_ = std::clock();
};

std::string key_of(std::uint64_t number) {
  return vip::lease_key("default", "service", "", "", fmt::format("service-{:07}", number));
}

class Run {
 public:
  explicit Run(CommandLine line) : line_(std::move(line)) {}

  Result<void> run() {
    auto store = open();
    if (!store) {
      return tl::unexpected(store.error());
    }
    const Stopwatch first;
    for (std::uint64_t number = 0; number < line_.leases; ++number) {
      (void)(*store)->acquire(key_of(number));
    }
    const double allocated = first.wall();
    const double allocated_cpu = first.cpu();
    (*store)->flush();
    while (metrics_.pending.value() > 0) {
      tasks_.run_one();
    }
    const double durable = first.wall();
    store->reset();

    const Stopwatch second;
    store = open();
    if (!store) {
      return tl::unexpected(store.error());
    }
    const double loaded = second.wall();
    const double loaded_cpu = second.cpu();
    for (std::uint64_t number = 0; number < line_.leases; ++number) {
      if (!(*store)->find(key_of(number))) {
        return fail(ErrorCode::kCorrupt, "a lease is missing: " + key_of(number));
      }
    }
    fmt::print(
        "{{\"leases\":{},\"allocate_s\":{:.3f},\"allocate_cpu_s\":{:.3f},\"durable_s\":{:.3f},"
        "\"load_s\":{:.3f},\"load_cpu_s\":{:.3f},\"journal_bytes\":{:.0f}}}\n",
        line_.leases, allocated, allocated_cpu, durable, loaded, loaded_cpu,
        metrics_.journal_bytes.value());
    return {};
  }

 private:
  Result<std::unique_ptr<vip::LeaseStore>> open() {
    vip::LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse(vip::kDefaultIpv4Pool).value();
    options.directory = line_.folder;
    options.mode = vip::StateMode::kRequired;
    return vip::LeaseStore::open(
        options, files_, clock_, [this](auto task) { tasks_.post(std::move(task)); },
        [](const auto&) {}, logs_->logger("vip"), metrics_);
  }

  CommandLine line_;
  PosixFileSystem files_;
  SystemClock clock_;
  Tasks tasks_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  vip::VipMetrics metrics_{registry_};
};

void declare(CLI::App& app, CommandLine& line) {
  app.add_option("--folder", line.folder, "a state folder to be made")->required();
  app.add_option("--leases", line.leases, "how many services there are");
}

Result<void> run(const CommandLine& line) { return Run(line).run(); }

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  namespace bench = meshdns::bench;
  return bench::run_program<bench::CommandLine, bench::declare, bench::run>(
      "meshdns-bench-leases", "Gives services their virtual addresses, and loads them again.", argc,
      argv);
}
