// A control thread, a server and a subscriber for tests that speak xDS over real gRPC.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

// The test's own thread as control thread: tasks from other threads run inside wait_for().
class ControlLoop {
 public:
  AdsClient::ControlThread thread() {
    return {.post =
                [this](std::function<void()> task) {
                  const std::lock_guard lock(mutex_);
                  tasks_.push_back(std::move(task));
                  changed_.notify_one();
                },
            .run_after =
                [this](std::chrono::milliseconds delay, std::function<void()> task) {
                  auto timer = std::make_shared<std::function<void()>>(std::move(task));
                  timers_.emplace(std::chrono::steady_clock::now() + delay, timer);
                  return timer;
                }};
  }

  // Runs tasks until `done` holds; false when it does not within `limit`.
  bool wait_for(const std::function<bool()>& done,
                std::chrono::milliseconds limit = std::chrono::seconds(30)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      ring();
      std::unique_lock lock(mutex_);
      // `done` may depend on other threads too, so it is looked at now and then.
      changed_.wait_for(lock, std::chrono::milliseconds(2), [this] { return !tasks_.empty(); });
      if (tasks_.empty()) {
        if (std::chrono::steady_clock::now() > end) {
          return false;
        }
        continue;
      }
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    return true;
  }

 private:
  // What timer is due, one at a time.
  void ring() {
    const auto first = timers_.begin();
    if (first == timers_.end() || first->first > std::chrono::steady_clock::now()) {
      return;
    }
    const auto timer = first->second.lock();
    timers_.erase(first);
    if (timer) {
      (*timer)();
    }
  }

  std::multimap<std::chrono::steady_clock::time_point, std::weak_ptr<std::function<void()>>>
      timers_;
  std::mutex mutex_;  // guards tasks_
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
};

// A logger whose lines a test can read.
class TestLog {
 public:
  TestLog()
      : sink_(std::make_shared<spdlog::sinks::ostream_sink_mt>(lines_)), logger_("xds", sink_) {
    logger_.set_pattern("%l %v");
    logger_.set_level(spdlog::level::debug);
  }
  Logger& logger() { return logger_; }
  // Only when no other thread logs any more.
  [[nodiscard]] std::string text() const { return lines_.str(); }

 private:
  std::ostringstream lines_;
  std::shared_ptr<spdlog::sinks::ostream_sink_mt> sink_;
  Logger logger_;
};

// A server with one audience on a free port, and its resources, which outlive restarts.
class TestServer {
 public:
  explicit TestServer(AdsServer::Options options = {}) : options_(std::move(options)) {
    options_.listen = "127.0.0.1:0";
    options_.shutdown_grace = std::chrono::milliseconds(200);
    start();
  }

  void start() {
    auto started = AdsServer::start(
        options_, [this](const NodeInfo&) { return resources_; }, log_.logger(), metrics_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = *std::move(started);
    options_.listen = "127.0.0.1:" + std::to_string(server_->port());
  }
  void stop() { server_.reset(); }
  // As another replica: the same content, made anew.
  void replace_resources(std::shared_ptr<ResourceSet> resources) {
    resources_ = std::move(resources);
  }

  [[nodiscard]] std::string target() const { return "ipv4:" + options_.listen; }
  [[nodiscard]] std::string address() const { return options_.listen; }
  AdsServer& server() { return *server_; }
  ResourceSet& resources() { return *resources_; }
  XdsServerMetrics& metrics() { return metrics_; }
  TestLog& log() { return log_; }

 private:
  AdsServer::Options options_;
  TestLog log_;
  MetricRegistry registry_;
  XdsServerMetrics metrics_{registry_};
  std::shared_ptr<ResourceSet> resources_ = std::make_shared<ResourceSet>();
  std::unique_ptr<AdsServer> server_;
};

// A client subscribed to one type: keeps what it is told, refuses values that begin with "bad".
class TestClient {
 public:
  TestClient(ControlLoop& loop, AdsClient::Options options, std::string_view type_url,
             const AdsClient::Interest& interest,
             const Backoff::Options& backoff = {.initial = std::chrono::milliseconds(20),
                                                .maximum = std::chrono::milliseconds(100)}) {
    options.node.id = "default.test";
    options.backoff = backoff;
    auto created = AdsClient::create(options, loop.thread(), clock_, log_.logger(), metrics_);
    EXPECT_TRUE(created) << created.error().message;
    client_ = *std::move(created);
    client_->subscribe(type_url, interest, [this](const ResponseView& view) { return take(view); });
    client_->observe_connection([this](bool connected) { connections.push_back(connected); });
    client_->start();
  }

  AdsClient& client() { return *client_; }
  XdsClientMetrics& metrics() { return metrics_; }
  TestLog& log() { return log_; }

  std::map<std::string, std::string> held;  // name -> value
  std::vector<bool> connections;
  std::size_t responses = 0;
  std::size_t delivered = 0;  // resources, over all responses
  std::size_t removed = 0;
  std::function<void()> on_take = [] {};

 private:
  std::vector<Rejection> take(const ResponseView& view) {
    ++responses;
    delivered += view.resources.size();
    removed += view.removed.size();
    std::vector<Rejection> rejections;
    if (view.full_state) {
      held.clear();
    }
    for (const ResponseItem& item : view.resources) {
      if (item.value.find("bad") != std::string_view::npos) {
        rejections.push_back({item.name, "value is bad"});
      } else {
        held.insert_or_assign(item.name, std::string(item.value));
      }
    }
    for (const std::string& name : view.removed) {
      held.erase(name);
    }
    on_take();
    return rejections;
  }

  SystemClock clock_;
  TestLog log_;
  MetricRegistry registry_;
  XdsClientMetrics metrics_{registry_};
  std::unique_ptr<AdsClient> client_;
};

}  // namespace meshdns::discovery
