// The services file as the source of the table: a FileFeed on a thread of its own, since whoever
// reads a file may wait for a disk, and what it tells on the control thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "discovery/feeds/file_feed.h"
#include "discovery/feeds/service_yaml.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/metrics.h"
#include "resolver/app/table_source.h"

namespace meshdns::dns {

class FileSource final : public TableSource {
 public:
  struct Options {
    std::string path;
    discovery::ServiceFileDefaults defaults;
  };
  using OnDelta = std::function<void(const discovery::ServiceDelta&)>;

  // References outlive the source. `on_delta` is called on the control thread.
  FileSource(Options options, ControlLoop& loop, FileSystem& files, Clock& clock, Logger& logger,
             AppMetrics& metrics, OnDelta on_delta);
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  ~FileSource() override;  // no callback during or after

  // What an earlier process kept is compared by whoever has it: `held` is not needed.
  void start(std::map<std::string, discovery::HeldVersions> held) override;
  void stop() override;

  // Whether the table is what the file says now.
  [[nodiscard]] bool is_connected() const override { return has_looked_ && problems_.empty(); }
  [[nodiscard]] std::vector<std::string> feeds() const override {
    return {discovery::FileFeed::kName, discovery::FileFeed::kEndpointsName};
  }
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::string what() const override { return "services file"; }

 private:
  static constexpr std::size_t kMaxLoggedProblems = 20;  // of one version

  struct Mailbox;  // outlives this in tasks that are still posted

  void watch_file();  // the thread
  void take(discovery::FileFeed::Update update);
  void report(const std::vector<std::string>& problems);

  Options options_;
  ControlLoop& loop_;
  Clock& clock_;
  Logger& logger_;
  AppMetrics& metrics_;
  OnDelta on_delta_;
  bool has_looked_ = false;
  std::vector<std::string> problems_;  // of the version looked at last
  discovery::FileFeed feed_;           // the thread's
  UniqueFd wake_;                      // an eventfd(2): the thread is to end
  std::atomic<bool> stopping_{false};
  std::shared_ptr<Mailbox> mailbox_;
  std::thread thread_;
};

}  // namespace meshdns::dns
