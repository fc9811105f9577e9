#include "resolver/snapshot/snapshot_holder.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/sip_hash.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

constexpr HashKey kKey{1, 2};

const Name& only_name() {
  static const Name kName = *Name::from_text("web.mesh");
  return kName;
}

// Snapshots whose one name has the snapshot's number as TTL, on a table they share as a builder's
// do.
class Numbered {
 public:
  std::unique_ptr<const Snapshot> next() {
    const Name& name = only_name();
    const std::uint64_t hash = sip_hash<1, 3>(kKey, name.octets());
    const NameEntry* const found =
        tables_.names.find(hash, [&name](const NameEntry& e) { return e.name() == name.view(); });
    NameEntry& entry =
        found == nullptr ? tables_.names.insert(hash) : tables_.names.replace(hash, *found);
    entry.kind = EntryKind::kHost;
    entry.ttl = static_cast<std::uint32_t>(++number_);
    entry.name_size = static_cast<std::uint8_t>(name.size());
    std::copy(name.octets().begin(), name.octets().end(), entry.name_octets.begin());
    return std::make_unique<const Snapshot>(tables_, zones_,
                                            std::make_shared<const StaticRecords>(), PortListView(),
                                            kKey, ZoneTimes{}, number_);
  }

 private:
  SnapshotTables tables_;
  std::shared_ptr<const ZoneSet> zones_ = std::make_shared<const ZoneSet>();
  std::uint64_t number_ = 0;
};

TEST(SnapshotHolder, ShowsAWorkerTheNewestOnlyAfterItsRefresh) {
  Numbered numbered;
  SnapshotHolder holder(numbered.next());
  SnapshotHolder::Worker& worker = holder.register_worker();
  holder.publish(numbered.next());
  EXPECT_EQ(worker.current().number(), 1);
  EXPECT_EQ(holder.latest().number(), 2);
  worker.refresh();
  EXPECT_EQ(worker.current().number(), 2);
}

TEST(SnapshotHolder, FreesWhatEveryWorkerHasPassed) {
  Numbered numbered;
  SnapshotHolder holder(numbered.next());
  SnapshotHolder::Worker& fast = holder.register_worker();
  SnapshotHolder::Worker& slow = holder.register_worker();
  holder.publish(numbered.next());
  holder.publish(numbered.next());
  fast.refresh();
  holder.collect();
  EXPECT_EQ(holder.live_generations(), 3);
  slow.refresh();
  holder.collect();
  EXPECT_EQ(holder.live_generations(), 1);
}

TEST(SnapshotHolder, WaitsForNobodyWhenThereIsNoWorker) {
  Numbered numbered;
  SnapshotHolder holder(numbered.next());
  holder.publish(numbered.next());
  EXPECT_EQ(holder.live_generations(), 1);
}

TEST(SnapshotHolder, DoesNotWaitForAWorkerThatHasLeft) {
  Numbered numbered;
  SnapshotHolder holder(numbered.next());
  SnapshotHolder::Worker& worker = holder.register_worker();
  holder.publish(numbered.next());
  EXPECT_EQ(holder.live_generations(), 2);
  holder.unregister_worker(worker);
  EXPECT_EQ(holder.live_generations(), 1);
}

TEST(SnapshotHolder, ShowsThreadsWholeSnapshotsInOrderWhileItFreesOldOnes) {
  constexpr std::uint64_t kSnapshots = 2000;
  Numbered numbered;
  SnapshotHolder holder(numbered.next());
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 2; ++i) {
    SnapshotHolder::Worker& worker = holder.register_worker();
    threads.emplace_back([&worker, &wrong] {
      std::uint64_t seen = 0;
      while (seen < kSnapshots) {
        worker.refresh();
        const Snapshot& now = worker.current();
        const Snapshot::Host host = now.find(only_name(), now.hash(only_name()));
        if (host.ttl != now.number() || now.number() < seen) {
          ++wrong;
        }
        seen = now.number();
      }
    });
  }
  for (std::uint64_t i = 1; i < kSnapshots; ++i) {
    holder.publish(numbered.next());
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
  holder.collect();
  EXPECT_EQ(holder.live_generations(), 1);
}

}  // namespace
}  // namespace meshdns::dns
