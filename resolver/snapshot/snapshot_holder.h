// Hands snapshots from the control thread to the workers by generation, without a lock or a shared
// count.
//
// The control thread publishes; each worker moves on when it refreshes and says so; the control
// thread frees what every worker has passed. A worker never frees anything.
//
// Thread: publish(), collect(), register_worker(), unregister_worker() and destruction on the
// control thread. A Worker's current() and refresh() on its worker's thread only. Workers must be
// stopped before the holder goes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "resolver/snapshot/snapshot.h"

namespace meshdns::dns {

class SnapshotHolder {
 public:
  // One worker's view. Hot path.
  class Worker {
   public:
    explicit Worker(const SnapshotHolder& holder);

    // Valid until this worker's next refresh().
    [[nodiscard]] const Snapshot& current() const { return *current_; }
    // Takes the newest snapshot: call it once per batch, and when the control thread posts it.
    void refresh();

   private:
    friend class SnapshotHolder;
    const SnapshotHolder& holder_;
    const Snapshot* current_;
    std::atomic<std::uint64_t> in_use_;  // number of the oldest snapshot this worker may look at
  };

  // A holder is never empty: `first` may well have no names and zones that are not ready.
  explicit SnapshotHolder(std::unique_ptr<const Snapshot> first);
  SnapshotHolder(const SnapshotHolder&) = delete;
  SnapshotHolder& operator=(const SnapshotHolder&) = delete;
  SnapshotHolder(SnapshotHolder&&) = delete;
  SnapshotHolder& operator=(SnapshotHolder&&) = delete;
  ~SnapshotHolder() = default;

  // The worker lives as long as the holder, or until unregistered.
  [[nodiscard]] Worker& register_worker();
  // After the worker's thread has ended.
  void unregister_worker(Worker& worker);

  // `next` must have a higher number than all before. Post Worker::refresh() to every worker once
  // there are many, so that idle ones let go as well.
  void publish(std::unique_ptr<const Snapshot> next);
  // Frees what all workers have passed. publish() does it too.
  void collect();

  // The newest, for the control thread (admin, metrics).
  [[nodiscard]] const Snapshot& latest() const { return *generations_.back(); }
  // Snapshots not freed yet, the newest among them.
  [[nodiscard]] std::size_t live_generations() const { return generations_.size(); }

 private:
  std::deque<std::unique_ptr<const Snapshot>> generations_;  // ascending numbers
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<const Snapshot*> latest_;
};

}  // namespace meshdns::dns
