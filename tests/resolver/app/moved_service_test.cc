// A service that goes while another comes: one snapshot, as soon as the newcomer's lease is on
// disk.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "resolver/app/metrics.h"
#include "resolver/app/publish_schedule.h"
#include "resolver/app/table_publisher.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::dns {
namespace {

discovery::Service service(const std::string& name) {
  discovery::Service made;
  made.id = {"default", name};
  made.hostnames = {name + ".mesh"};
  return made;
}

class MovedService : public testing::Test {
 protected:
  MovedService() {
    vip::LeaseStore::Options options;
    options.ipv4_pool = pool_;
    options.directory = folder_.file("state");
    leases_ = vip::LeaseStore::open(
                  options, files_, clock_,
                  [this](std::function<void()> task) {
                    const std::lock_guard lock(mutex_);
                    tasks_.push_back(std::move(task));
                    arrived_.notify_all();
                  },
                  [this](const std::vector<std::string>& keys) {
                    publisher_->on_lease_change(keys);
                    ++lease_changes_;
                  },
                  logs_->logger("vip"), vip_metrics_)
                  .value();
    builder_ = SnapshotBuilder::create({.owned_zones = {"mesh."}, .vip_pools = {pool_}}).value();
    publisher_ = std::make_unique<TablePublisher>(
        *builder_, *leases_, std::vector{pool_}, clock_, logs_->logger("table"), metrics_,
        [this](std::unique_ptr<const Snapshot>) { ++published_; });
  }
  // Runs the store's tasks until it has told of a lease, within the hang bound.
  void wait_for_disk() {
    while (lease_changes_ == 0) {
      std::unique_lock lock(mutex_);
      ASSERT_TRUE(arrived_.wait_for(lock, support::kHangBound, [this] { return !tasks_.empty(); }));
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    lease_changes_ = 0;
  }
  void apply(const std::vector<std::string>& removed, const std::vector<std::string>& added) {
    discovery::TableChange change;
    for (const std::string& name : removed) {
      change.removed_services.push_back({"default", name});
    }
    for (const std::string& name : added) {
      change.services.emplace_back(service(name));
    }
    publisher_->apply(change);
    publisher_->run();
  }

  const IpPrefix pool_ = IpPrefix::parse("192.0.2.0/24").value();
  support::TemporaryDirectory folder_;
  PosixFileSystem files_;
  support::ManualClock clock_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  AppMetrics metrics_{registry_};
  vip::VipMetrics vip_metrics_{registry_};
  std::mutex mutex_;  // guards tasks_
  std::condition_variable arrived_;
  std::deque<std::function<void()>> tasks_;
  int lease_changes_ = 0;
  int published_ = 0;
  std::unique_ptr<vip::LeaseStore> leases_;
  std::unique_ptr<SnapshotBuilder> builder_;
  std::unique_ptr<TablePublisher> publisher_;
};

TEST_F(MovedService, IsGoneFromOneNameWhenItIsAtTheOtherWithoutWaitingATurn) {
  apply({}, {"old"});
  wait_for_disk();
  publisher_->run();
  ASSERT_EQ(published_, 1);
  clock_.advance(PublishSchedule::kCoalesce);

  apply({"old"}, {"new"});
  EXPECT_EQ(published_, 1) << "the lease of the new one is on disk in a moment";
  wait_for_disk();
  publisher_->run();
  EXPECT_EQ(published_, 2) << "both, at once";
  EXPECT_EQ(publisher_->wake_at(), std::nullopt);
}

TEST_F(MovedService, IsGoneInAMomentThoughTheDiskIsSlow) {
  apply({}, {"old"});
  wait_for_disk();
  publisher_->run();
  clock_.advance(PublishSchedule::kCoalesce);

  apply({"old"}, {"new"});
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_EQ(published_, 2) << "whether the lease is on disk or not";
}

TEST_F(MovedService, ThatHasOnlyGoneIsGoneAtOnce) {
  apply({}, {"old"});
  wait_for_disk();
  publisher_->run();
  clock_.advance(PublishSchedule::kCoalesce);

  apply({"old"}, {});
  EXPECT_EQ(published_, 2);
}

}  // namespace
}  // namespace meshdns::dns
