#include "resolver/snapshot/snapshot_holder.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "resolver/snapshot/snapshot.h"

namespace meshdns::dns {

SnapshotHolder::Worker::Worker(const SnapshotHolder& holder)
    : holder_(holder), current_(&holder.latest()), in_use_(current_->number()) {}

void SnapshotHolder::Worker::refresh() {
  const Snapshot* const newest = holder_.latest_.load(std::memory_order_acquire);
  if (newest == current_) {
    return;
  }
  // Until the store below the control thread keeps the old snapshot, and so all newer ones.
  current_ = newest;
  in_use_.store(newest->number(), std::memory_order_release);
}

SnapshotHolder::SnapshotHolder(std::unique_ptr<const Snapshot> first) : latest_(first.get()) {
  generations_.push_back(std::move(first));
}

SnapshotHolder::Worker& SnapshotHolder::register_worker() {
  return *workers_.emplace_back(std::make_unique<Worker>(*this));
}

void SnapshotHolder::unregister_worker(Worker& worker) {
  std::erase_if(workers_, [&](const auto& held) { return held.get() == &worker; });
  collect();
}

void SnapshotHolder::publish(std::unique_ptr<const Snapshot> next) {
  assert(next->number() > latest().number());
  latest_.store(next.get(), std::memory_order_release);
  generations_.push_back(std::move(next));
  collect();
}

void SnapshotHolder::collect() {
  std::uint64_t oldest = latest().number();
  for (const auto& worker : workers_) {
    oldest = std::min(oldest, worker->in_use_.load(std::memory_order_acquire));
  }
  while (generations_.front()->number() < oldest) {
    generations_.pop_front();
  }
}

}  // namespace meshdns::dns
