#include "resolver/app/table_publisher.h"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "resolver/app/metrics.h"
#include "resolver/app/publish_schedule.h"
#include "resolver/app/service_entries.h"
#include "resolver/app/service_lease_key.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::dns {
namespace {

using support::FileStep;

constexpr std::chrono::minutes kQuarantine{5};

// The control thread of these tests: tasks wait until the test runs them.
class Tasks {
 public:
  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    arrived_.notify_all();
  }
  // Runs tasks until `done`; false when none comes within the hang bound.
  template <typename Done>
  bool run_until(Done done) {
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!arrived_.wait_for(lock, support::kHangBound, [this] { return !tasks_.empty(); })) {
        return false;
      }
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    return true;
  }

 private:
  std::mutex mutex_;  // guards tasks_
  std::condition_variable arrived_;
  std::deque<std::function<void()>> tasks_;
};

discovery::Service service(const std::string& name,
                           const std::vector<std::string>& addresses = {}) {
  discovery::Service made;
  made.id = {"default", name};
  made.hostnames = {name + ".mesh"};
  for (const std::string& address : addresses) {
    made.addresses.push_back(*IpAddress::parse(address));
  }
  return made;
}

discovery::TableChange with(const std::vector<discovery::Service>& services) {
  discovery::TableChange change;
  for (const discovery::Service& service : services) {
    change.services.emplace_back(service);
  }
  return change;
}

discovery::TableChange without(const std::string& name) {
  discovery::TableChange change;
  change.removed_services = {{"default", name}};
  return change;
}

// A publisher on a pool of two addresses, 192.0.2.1 and 192.0.2.2.
class TablePublisherTest : public testing::Test {
 protected:
  TablePublisherTest() {
    vip::LeaseStore::Options options;
    options.ipv4_pool = pool_;
    options.directory = folder_.file("state");
    options.quarantine = kQuarantine;
    leases_ = vip::LeaseStore::open(
                  options, files_, clock_, [this](auto task) { tasks_.post(std::move(task)); },
                  [this](const auto& keys) { publisher_->on_lease_change(keys); },
                  logs_->logger("vip"), vip_metrics_)
                  .value();
    builder_ = SnapshotBuilder::create({.owned_zones = {"mesh."}, .vip_pools = {pool_}}).value();
    publisher_ = std::make_unique<TablePublisher>(*builder_, *leases_, std::vector{pool_}, clock_,
                                                  logs_->logger("table"), metrics_,
                                                  [this](std::unique_ptr<const Snapshot> next) {
                                                    snapshot_ = std::move(next);
                                                    ++published_;
                                                  });
  }

  // Applies a change and waits until the state of every lease is known, then publishes.
  void settle(const discovery::TableChange& change) {
    publisher_->apply(change);
    settle();
  }
  void settle() {
    ASSERT_TRUE(tasks_.run_until([this] { return pending() == 0; })) << "a lease stays pending";
    clock_.advance(PublishSchedule::kCoalesce);
    publisher_->run();
  }
  [[nodiscard]] std::size_t pending() const {
    std::size_t count = 0;
    publisher_->entries().for_each([&](const ServiceEntry& entry) {
      count += entry.status == AddressStatus::kPending ? 1U : 0U;
    });
    return count;
  }
  [[nodiscard]] std::string status(const std::string& name) const {
    const auto entry = publisher_->entries().find({"default", name});
    return entry ? std::string(to_string(entry->status)) : "absent";
  }
  // What the last snapshot answers for an A question: "withheld", "absent", or the addresses.
  [[nodiscard]] std::string answer(const std::string& text) const {
    Name name = *Name::from_text(text);
    name.fold();
    const Snapshot::Host host = snapshot_->find(name, snapshot_->hash(name));
    if (host.state == Snapshot::NameState::kAbsent) {
      return "absent";
    }
    if (host.state == Snapshot::NameState::kWithheld) {
      return "withheld";
    }
    std::string addresses;
    for (std::size_t i = 0; i < host.ipv4.size(); i += 4) {
      addresses += (addresses.empty() ? "" : " ") + IpAddress(host.ipv4.subspan(i, 4)).to_string();
    }
    return addresses;
  }
  [[nodiscard]] std::string leased(const std::string& name) const {
    return publisher_->entries().find({"default", name}).value().addresses.at(0).to_string();
  }
  // The address of the pool that `taken` is not.
  [[nodiscard]] static std::string other_than(const std::string& taken) {
    return taken == "192.0.2.1" ? "192.0.2.2" : "192.0.2.1";
  }

  IpPrefix pool_ = IpPrefix::parse("192.0.2.0/30").value();
  support::TemporaryDirectory folder_;
  support::FaultyFileSystem files_;
  support::ManualClock clock_;
  Tasks tasks_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  vip::VipMetrics vip_metrics_{registry_};
  AppMetrics metrics_{registry_};
  std::unique_ptr<SnapshotBuilder> builder_;
  std::unique_ptr<const Snapshot> snapshot_;
  int published_ = 0;
  std::unique_ptr<vip::LeaseStore> leases_;
  std::unique_ptr<TablePublisher> publisher_;
};

TEST_F(TablePublisherTest, PublishesNothingWithoutAChange) {
  publisher_->run();
  publisher_->apply({});
  publisher_->run();
  EXPECT_EQ(published_, 0);
  EXPECT_EQ(publisher_->wake_at(), std::nullopt);
}

TEST_F(TablePublisherTest, AnswersTheAddressesThatTheFeedGives) {
  settle(with({service("web", {"198.51.100.7", "198.51.100.8"})}));
  EXPECT_EQ(answer("web.mesh"), "198.51.100.7 198.51.100.8");
  EXPECT_EQ(status("web"), "given");
  EXPECT_EQ(vip_metrics_.active.value(), 0) << "no lease is needed";
}

TEST_F(TablePublisherTest, WithholdsALeaseUntilItIsOnDisk) {
  publisher_->apply(with({service("web")}));
  EXPECT_EQ(status("web"), "pending");
  EXPECT_EQ(publisher_->withheld(), 1U);
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_EQ(answer("web.mesh"), "withheld");

  settle();
  EXPECT_EQ(status("web"), "leased");
  EXPECT_EQ(answer("web.mesh"), leased("web"));
  EXPECT_EQ(publisher_->withheld(), 0U);
  EXPECT_EQ(metrics_.services_withheld.value(), 0);
}

TEST_F(TablePublisherTest, DoesNotPublishAPendingLeaseWhenItIsOnDiskInAMoment) {
  publisher_->apply(with({service("web")}));
  publisher_->run();
  EXPECT_EQ(published_, 0) << "it may wait";
  ASSERT_TRUE(tasks_.run_until([this] { return pending() == 0; }));
  publisher_->run();
  EXPECT_EQ(published_, 1);
  EXPECT_EQ(answer("web.mesh"), leased("web"));
}

TEST_F(TablePublisherTest, PublishesTheFirstChangeAtOnceAndGathersLaterOnes) {
  publisher_->apply(with({service("a", {"198.51.100.1"})}));
  publisher_->run();
  EXPECT_EQ(published_, 1);
  publisher_->apply(with({service("b", {"198.51.100.2"})}));
  publisher_->run();
  publisher_->apply(with({service("c", {"198.51.100.3"})}));
  publisher_->run();
  EXPECT_EQ(published_, 1);
  ASSERT_EQ(publisher_->wake_at(), clock_.now() + PublishSchedule::kCoalesce);
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_EQ(published_, 2);
  EXPECT_EQ(answer("b.mesh"), "198.51.100.2");
  EXPECT_EQ(answer("c.mesh"), "198.51.100.3");
  EXPECT_EQ(metrics_.snapshot_version.value(), static_cast<double>(snapshot_->number()));
  EXPECT_EQ(metrics_.services.value(), 3);
}

TEST_F(TablePublisherTest, IsReadyOnceTheFeedHasSpokenAndEveryLeaseIsSettled) {
  publisher_->apply(with({service("web")}));
  settle();
  EXPECT_FALSE(publisher_->is_ready()) << "the feed may have more";
  EXPECT_FALSE(snapshot_->zones().zones().front().ready);

  publisher_->set_feeds_ready();
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_TRUE(publisher_->is_ready());
  EXPECT_TRUE(snapshot_->zones().zones().front().ready);

  publisher_->apply(with({service("late")}));
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_TRUE(publisher_->is_ready()) << "a later service does not take it back";
}

TEST_F(TablePublisherTest, IsNotReadyWhileALeaseOfTheFirstTableIsPending) {
  publisher_->apply(with({service("web")}));
  publisher_->set_feeds_ready();
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_FALSE(publisher_->is_ready());
  settle();
  EXPECT_TRUE(publisher_->is_ready());
}

TEST_F(TablePublisherTest, PublishesOnceThatInstancesAreAwaitedAndOnceThatTheyAreNot) {
  publisher_->set_awaits_instances(false);
  publisher_->run();
  EXPECT_EQ(published_, 0) << "nobody waited for them";
  for (const bool awaits : {true, false}) {
    publisher_->set_awaits_instances(awaits);
    publisher_->set_awaits_instances(awaits);
    clock_.advance(PublishSchedule::kCoalesce);
    publisher_->run();
    EXPECT_EQ(snapshot_->zones().zones().front().awaits_instances, awaits);
    EXPECT_EQ(publisher_->wake_at(), std::nullopt);
  }
  EXPECT_EQ(published_, 2);
}

TEST_F(TablePublisherTest, IsReadyWithAnEmptyTable) {
  publisher_->set_feeds_ready();
  publisher_->run();
  EXPECT_TRUE(publisher_->is_ready());
  EXPECT_EQ(published_, 1);
}

TEST_F(TablePublisherTest, WithholdsWhatTheDiskRefusesUntilItTakesIt) {
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kSync ? ENOSPC : 0; });
  publisher_->apply(with({service("web")}));
  publisher_->set_feeds_ready();
  ASSERT_TRUE(tasks_.run_until([this] { return status("web") == "unstored"; }));
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_EQ(answer("web.mesh"), "withheld");
  EXPECT_EQ(publisher_->withheld(), 1U);
  EXPECT_TRUE(publisher_->is_ready()) << "the others are answered";
}

TEST_F(TablePublisherTest, WithholdsServicesBeyondThePoolUntilOneIsFree) {
  settle(with({service("a"), service("b"), service("c")}));
  EXPECT_EQ(status("c"), "exhausted");
  EXPECT_EQ(answer("c.mesh"), "withheld");
  EXPECT_EQ(publisher_->withheld(), 1U);
  publisher_->retry();
  EXPECT_EQ(status("c"), "exhausted");

  const std::string freed = leased("a");
  settle(without("a"));
  publisher_->retry();
  EXPECT_EQ(status("c"), "exhausted") << "in quarantine";

  clock_.advance(kQuarantine);
  publisher_->retry();
  settle();
  EXPECT_EQ(answer("c.mesh"), freed);
  EXPECT_EQ(publisher_->withheld(), 0U);
}

TEST_F(TablePublisherTest, ForgetsAServiceThatGoesWhileItIsWithheld) {
  settle(with({service("a"), service("b"), service("c")}));
  ASSERT_EQ(status("c"), "exhausted");
  settle(without("c"));
  EXPECT_EQ(answer("c.mesh"), "absent");
  EXPECT_EQ(publisher_->withheld(), 0U);
  clock_.advance(kQuarantine);
  publisher_->retry();
  EXPECT_EQ(publisher_->entries().size(), 2U);
}

TEST_F(TablePublisherTest, ForgetsAServiceThatGoesWhileItIsPending) {
  publisher_->apply(with({service("web")}));
  publisher_->apply(without("web"));
  publisher_->set_feeds_ready();
  clock_.advance(PublishSchedule::kCoalesce);
  publisher_->run();
  EXPECT_TRUE(publisher_->is_ready());
  EXPECT_EQ(publisher_->withheld(), 0U);
  EXPECT_EQ(answer("web.mesh"), "absent");
}

TEST_F(TablePublisherTest, PassesOverTheRemovalOfWhatIsNotThere) {
  publisher_->apply(without("nobody"));
  publisher_->run();
  EXPECT_EQ(published_, 0);
}

TEST_F(TablePublisherTest, RefusesAFeedsAddressThatIsLeasedToAnother) {
  settle(with({service("a")}));
  const std::string taken = leased("a");
  settle(with({service("b", {taken}), service("c", {taken, "198.51.100.1"})}));
  EXPECT_EQ(status("b"), "conflict");
  EXPECT_EQ(answer("b.mesh"), "withheld");
  EXPECT_EQ(answer("c.mesh"), "198.51.100.1") << "the rest of its addresses";
  EXPECT_EQ(answer("a.mesh"), taken);
  EXPECT_EQ(metrics_.rejected_addresses.value(), 2U);

  publisher_->retry();
  EXPECT_EQ(metrics_.rejected_addresses.value(), 2U) << "asking again is no news";
}

TEST_F(TablePublisherTest, TakesARefusedAddressOnceItsQuarantineIsOver) {
  settle(with({service("a")}));
  const std::string taken = leased("a");
  settle(with({service("b", {taken}), service("c", {"198.51.100.1", taken})}));
  settle(without("a"));
  publisher_->retry();
  EXPECT_EQ(status("b"), "conflict") << "in quarantine";
  clock_.advance(kQuarantine);
  publisher_->retry();
  settle();
  EXPECT_EQ(answer("b.mesh"), taken);
  EXPECT_EQ(answer("c.mesh"), "198.51.100.1 " + taken);
  EXPECT_EQ(publisher_->withheld(), 0U);
}

TEST_F(TablePublisherTest, KeepsAServicesOwnLeaseWhenTheFeedGivesTheSameAddress) {
  settle(with({service("a")}));
  const std::string address = leased("a");
  settle(with({service("a", {address})}));
  EXPECT_EQ(status("a"), "given");
  EXPECT_EQ(answer("a.mesh"), address);
  settle(with({service("a")}));
  EXPECT_EQ(status("a"), "leased");
  EXPECT_EQ(answer("a.mesh"), address) << "it gets its old address back";
}

TEST_F(TablePublisherTest, TakesAnAddressAwayFromAFeedsServiceWhenALeaseGetsIt) {
  settle(with({service("a")}));
  const std::string first = leased("a");
  const std::string second = other_than(first);
  settle(with({service("given", {second})}));
  EXPECT_EQ(answer("given.mesh"), second);

  // The pool has nothing else left.
  settle(with({service("b")}));
  EXPECT_EQ(answer("b.mesh"), second);
  EXPECT_EQ(status("given"), "conflict");
  EXPECT_EQ(answer("given.mesh"), "withheld") << "no address belongs to two services";
}

TEST_F(TablePublisherTest, MovesAServiceBetweenAFeedsAddressAndALease) {
  settle(with({service("a", {"198.51.100.1"})}));
  settle(with({service("a")}));
  EXPECT_EQ(status("a"), "leased");
  EXPECT_EQ(answer("a.mesh"), leased("a"));
  settle(with({service("a", {"198.51.100.2"})}));
  EXPECT_EQ(answer("a.mesh"), "198.51.100.2");
  EXPECT_EQ(vip_metrics_.active.value(), 0);
  EXPECT_EQ(publisher_->withheld(), 0U);
}

TEST_F(TablePublisherTest, GivesNoLeaseToAServiceThatAwaitsItsAddress) {
  discovery::Service web = service("web");
  web.awaits_address = true;
  settle(with({web}));
  EXPECT_EQ(status("web"), "awaited");
  EXPECT_EQ(answer("web.mesh."), "withheld");
  EXPECT_EQ(vip_metrics_.active.value(), 0);
  web = service("web", {"192.0.2.1"});
  settle(with({web}));
  EXPECT_EQ(answer("web.mesh."), "192.0.2.1");
  // A lease of its own it lets go of.
  settle(with({service("other")}));
  EXPECT_EQ(status("other"), "leased");
  discovery::Service other = service("other");
  other.awaits_address = true;
  settle(with({other}));
  EXPECT_EQ(status("other"), "awaited");
  EXPECT_EQ(vip_metrics_.active.value(), 0);
}

TEST_F(TablePublisherTest, RemovesBeforeItAdds) {
  settle(with({service("old", {"198.51.100.1"})}));
  discovery::TableChange change = without("old");
  discovery::Service heir = service("heir", {"198.51.100.2"});
  heir.hostnames = {"old.mesh"};
  change.services = {discovery::PackedService(heir)};
  settle(change);
  EXPECT_EQ(answer("old.mesh"), "198.51.100.2");
  EXPECT_EQ(metrics_.clashes.value(), 0U);
}

TEST_F(TablePublisherTest, CountsAHostnameThatTwoServicesWant) {
  discovery::Service second = service("second", {"198.51.100.2"});
  second.hostnames = {"first.mesh"};
  settle(with({service("first", {"198.51.100.1"}), second}));
  EXPECT_EQ(answer("first.mesh"), "198.51.100.1");
  EXPECT_EQ(metrics_.clashes.value(), 1U);
  EXPECT_EQ(metrics_.contested_names.value(), 1);
  settle(without("first"));
  EXPECT_EQ(answer("first.mesh"), "198.51.100.2");
  EXPECT_EQ(metrics_.contested_names.value(), 0);
}

TEST_F(TablePublisherTest, AnswersRecords) {
  discovery::TableChange change;
  change.records = {{"db.mesh", {*IpAddress::parse("198.51.100.9")}, 60}};
  settle(change);
  EXPECT_EQ(answer("db.mesh"), "198.51.100.9");
  discovery::TableChange gone;
  gone.removed_records = {"db.mesh"};
  settle(gone);
  EXPECT_EQ(answer("db.mesh"), "absent");
}

// Of services that went while the program did not run.
TEST_F(TablePublisherTest, ReleasesTheLeasesOfNobodyOnceTheFeedHasSpoken) {
  ASSERT_NE(leases_->acquire(service_lease_key({"default", "gone"})).status,
            vip::LeaseStatus::kExhausted);
  settle(with({service("web")}));
  EXPECT_EQ(vip_metrics_.active.value(), 2);
  publisher_->set_feeds_ready();
  EXPECT_EQ(vip_metrics_.active.value(), 1);
  EXPECT_EQ(vip_metrics_.released.value(), 1);
  settle();
  EXPECT_EQ(answer("web.mesh"), leased("web"));
}

TEST_F(TablePublisherTest, PassesOverALeaseThatIsNobodysAnyMore) {
  publisher_->on_lease_change({"no such key"});
  publisher_->run();
  EXPECT_EQ(published_, 0);
}

TEST(AddressStatusNames, SayWhetherClientsAreTold) {
  const std::vector<std::pair<AddressStatus, std::string>> told{{AddressStatus::kGiven, "given"},
                                                                {AddressStatus::kLeased, "leased"}};
  const std::vector<std::pair<AddressStatus, std::string>> withheld{
      {AddressStatus::kPending, "pending"},
      {AddressStatus::kUnstored, "unstored"},
      {AddressStatus::kExhausted, "exhausted"},
      {AddressStatus::kConflict, "conflict"}};
  for (const auto& [status, name] : told) {
    EXPECT_EQ(to_string(status), name);
    EXPECT_FALSE(is_withheld(status)) << name;
  }
  for (const auto& [status, name] : withheld) {
    EXPECT_EQ(to_string(status), name);
    EXPECT_TRUE(is_withheld(status)) << name;
  }
}

}  // namespace
}  // namespace meshdns::dns
