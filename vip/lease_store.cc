#include "vip/lease_store.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "vip/allocator.h"
#include "vip/journal_format.h"
#include "vip/journal_writer.h"
#include "vip/key.h"
#include "vip/lease_record.h"
#include "vip/metrics.h"
#include "vip/pin.h"
#include "vip/pool.h"
#include "vip/state_folder.h"

namespace meshdns::vip {
namespace {

// A journal that has grown to twice its last whole form, and by at least this, is written anew.
constexpr std::uint64_t kCompactionSlackBytes = std::uint64_t{1} << 20U;
// Between tries to use a folder that could not be used at start.
constexpr std::chrono::seconds kRetryPause{10};

Result<std::optional<AddressPool>> make_pool(const std::optional<IpPrefix>& prefix) {
  if (!prefix) {
    return std::nullopt;
  }
  auto pool = AddressPool::create(*prefix);
  if (!pool) {
    return tl::unexpected(pool.error());
  }
  return *pool;
}

}  // namespace

// Where the writer's results wait for the control thread; empty once the store is gone.
struct LeaseStore::Mailbox {
  LeaseStore* store = nullptr;  // the control thread's
};

LeaseStore::LeaseStore(const Options& options, const Allocator::Options& pools, FileSystem& files,
                       Clock& clock, Post post, OnChange on_change, Logger& logger,
                       VipMetrics& metrics)
    : files_(files),
      clock_(clock),
      post_(std::move(post)),
      on_change_(std::move(on_change)),
      logger_(logger),
      metrics_(metrics),
      allocator_(pools, clock),
      folder_(options.directory, options.instance, files, logger, metrics),
      mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->store = this;
}

LeaseStore::~LeaseStore() {
  flush();
  mailbox_->store = nullptr;
}

Result<std::unique_ptr<LeaseStore>> LeaseStore::open(const Options& options, FileSystem& files,
                                                     Clock& clock, Post post, OnChange on_change,
                                                     Logger& logger, VipMetrics& metrics) {
  const auto ipv4 = make_pool(options.ipv4_pool);
  const auto ipv6 = make_pool(options.ipv6_pool);
  for (const auto* pool : {&ipv4, &ipv6}) {
    if (!*pool) {
      return tl::unexpected(pool->error());
    }
  }
  const Allocator::Options pools{*ipv4, *ipv6, options.quarantine};
  std::unique_ptr<LeaseStore> store(new LeaseStore(options, pools, files, clock, std::move(post),
                                                   std::move(on_change), logger, metrics));
  const auto loaded = store->load();
  if (!loaded) {
    // Who holds the folder may be changing what it says.
    const bool is_others = loaded.error().code == ErrorCode::kAlreadyExists;
    store->withholds_ = options.mode == StateMode::kGoOn;
    if (options.mode == StateMode::kRequired || (store->withholds_ && is_others)) {
      return tl::unexpected(loaded.error());
    }
    store->go_on_in_memory(loaded.error());
    if (store->withholds_ && !store->begun_with_) {
      return tl::unexpected(loaded.error());
    }
  }
  store->update_metrics();
  return store;
}

Result<void> LeaseStore::load() {
  if (auto locked = folder_.lock(); !locked) {
    return locked;
  }
  auto found = read_folder();
  if (!found) {
    return tl::unexpected(found.error());
  }
  auto start = folder_.take_over(*found, image());
  if (!start) {
    return tl::unexpected(start.error());
  }
  start_writer(std::move(*start));
  return {};
}

Result<StateFolder::Found> LeaseStore::read_folder() {
  auto found = folder_.read([this](const LeaseRecord& record) { allocator_.restore(record); });
  if (found) {
    begun_with_ = Checked{found->is_there, crc32c(found->content), found->content.size()};
  }
  return found;
}

void LeaseStore::go_on_in_memory(const Error& error) {
  folder_.unlock();
  // What was told before stays true where the journal can be read, though nothing can be added.
  if (!begun_with_) {
    std::ignore = read_folder();
  }
  if (withholds_) {
    done_batch_ = batch_;  // it has failed before it began
    note_ = fmt::format("there are {} leases of the journal, new services are withheld: {}",
                        allocator_.active(), error.message);
  } else {
    note_ = fmt::format("leases are kept in memory only, beginning with {} of the journal: {}",
                        allocator_.active(), error.message);
  }
  logger_.warn("{}", note_);
  retry_at_ = clock_.now() + kRetryPause;
}

void LeaseStore::look_at_folder() {
  if (writer_) {
    writer_->look();
    return;
  }
  if (!begun_with_ || clock_.now() < retry_at_) {
    return;
  }
  retry_at_ = clock_.now() + kRetryPause;
  if (!folder_.lock()) {
    return;
  }
  // Only the journal that memory began with may be replaced by what is in memory.
  auto found = folder_.read([](const LeaseRecord& /*record*/) {});
  if (found &&
      begun_with_ == Checked{found->is_there, crc32c(found->content), found->content.size()}) {
    if (auto start = folder_.write_anew(*found, image())) {
      const std::uint64_t file_bytes = start->file_bytes;
      start_writer(std::move(*start));
      logger_.info("the state folder can be used again, all leases are on disk");
      note_.clear();
      on_done({.batch = batch_++, .result = {}, .file_bytes = file_bytes});
      return;
    }
  }
  folder_.unlock();
}

void LeaseStore::start_writer(JournalWriter::Start start) {
  file_bytes_ = start.file_bytes;
  writer_ = std::make_unique<JournalWriter>(
      std::move(start), files_, [this] { return folder_.lock(); },
      [post = post_, mailbox = mailbox_](const JournalWriter::Done& done) {
        post([mailbox, done] {
          if (mailbox->store != nullptr) {
            mailbox->store->on_done(done);
          }
        });
      });
}

LeaseStore::Lease LeaseStore::acquire(std::string_view key) {
  if (key.empty() || key.size() > kMaxKeyOctets) {
    logger_.error("a lease key is empty or too long to be recorded octets={}", key.size());
    return {std::nullopt, std::nullopt, LeaseStatus::kStorageFailed};
  }
  const auto grant = allocator_.acquire(key);
  if (grant == Allocator::Grant::kChanged) {
    note_change(key);
  }
  if (grant == Allocator::Grant::kExhausted) {
    note_exhausted(key);
  } else {
    forget_exhausted(key);
  }
  const auto entry = allocator_.find(key);
  return entry ? lease_of(*entry) : Lease{};
}

void LeaseStore::release(std::string_view key) {
  forget_exhausted(key);
  if (allocator_.release(key)) {
    note_change(key);
  }
}

void LeaseStore::note_exhausted(std::string_view key) {
  if (exhausted_.empty()) {
    logger_.error(
        "a VIP pool is exhausted: new services get no address; widen the pool first_key={}", key);
  }
  exhausted_.emplace(key);
  metrics_.exhausted.set(1);
}

void LeaseStore::forget_exhausted(std::string_view key) {
  const auto place = exhausted_.find(key);
  if (place == exhausted_.end()) {
    return;
  }
  exhausted_.erase(place);
  if (exhausted_.empty()) {
    metrics_.exhausted.set(0);
    logger_.info("every service has its address again, or is gone");
  }
}

void LeaseStore::note_change(std::string_view key) {
  const auto entry = allocator_.find(key);
  if ((!writer_ && !withholds_) || !entry) {
    return;  // leases in memory
  }
  if (writer_) {
    append_record({entry->state, entry->ipv4, entry->ipv6, key}, gathered_);
  }
  if (entry->batch == batch_) {
    return;
  }
  allocator_.set_batch(key, batch_);
  if (unwritten_.empty() || unwritten_.back().batch != batch_) {
    unwritten_.push_back({batch_, {}, !writer_});
  }
  unwritten_.back().keys.emplace_back(key);
  ++unwritten_keys_;
}

void LeaseStore::flush() {
  update_metrics();
  if (!writer_ || gathered_.empty()) {
    return;
  }
  const bool is_overgrown = file_bytes_ > image_bytes_ * 2 + kCompactionSlackBytes && !replacing_;
  if (is_overgrown) {
    allocator_.forget_expired();
    replace_all();
    return;
  }
  file_bytes_ += gathered_.size();
  writer_->append(batch_, std::exchange(gathered_, {}));
  ++batch_;
}

std::vector<PinRefusal> LeaseStore::refusals(std::span<const Pin> pins, PinMode mode) const {
  std::vector<PinRefusal> refusals;
  std::set<std::string_view> keys;
  std::set<IpAddress> addresses;
  for (std::size_t i = 0; i < pins.size(); ++i) {
    const Pin& pin = pins[i];
    bool is_new = keys.insert(pin.key).second;
    // A pin has an address at least.
    IpAddress repeated = pin.ipv4.value_or(pin.ipv6.value_or(IpAddress()));
    for (const auto& address : {pin.ipv4, pin.ipv6}) {
      if (address && !addresses.insert(*address).second) {
        is_new = false;
        repeated = *address;
      }
    }
    auto refusal = is_new ? allocator_.refuse(pin, mode)
                          : PinRefusal{.pin = i,
                                       .reason = PinRefusal::Reason::kRepeated,
                                       .address = repeated,
                                       .holder = {},
                                       .has = {}};
    if (refusal) {
      refusal->pin = i;
      refusals.push_back(*std::move(refusal));
    }
  }
  return refusals;
}

void LeaseStore::pin(std::span<const Pin> pins) {
  for (const Pin& pin : pins) {
    for (const std::string& key : allocator_.pin(pin)) {
      note_change(key);
    }
    forget_exhausted(pin.key);
  }
  if (writer_) {
    replace_all();
  }
  update_metrics();
}

Result<void> LeaseStore::can_record() const {
  if (writer_ && note_.empty()) {
    return {};
  }
  return fail(ErrorCode::kIo, "nothing can be recorded now: " + note_);
}

void LeaseStore::confirm(OnRecorded done) {
  flush();
  if (!writer_ || done_batch_ + 1 == batch_) {
    done(can_record());
    return;
  }
  waiting_.push_back({batch_ - 1, std::move(done)});
}

void LeaseStore::tell_waiting(const JournalWriter::Done& done) {
  const auto is_later = [&](const Waiting& waiting) { return waiting.batch > done.batch; };
  const auto later = std::ranges::find_if(waiting_, is_later);  // they are in order
  const std::vector<Waiting> told(std::make_move_iterator(waiting_.begin()),
                                  std::make_move_iterator(later));
  waiting_.erase(waiting_.begin(), later);
  for (const Waiting& waiting : told) {
    waiting.done(done.result);
  }
}

void LeaseStore::replace_all() {
  gathered_.clear();  // the image has it
  replacing_ = true;
  std::string records = image();
  image_bytes_ = records.size();
  writer_->replace(batch_, std::move(records));
  ++batch_;
}

std::string LeaseStore::image() const {
  std::string records;
  allocator_.for_each([&](std::string_view key, const Allocator::Entry& entry) {
    append_record({entry.state, entry.ipv4, entry.ipv6, key}, records);
  });
  return records;
}

void LeaseStore::on_done(const JournalWriter::Done& done) {
  done_batch_ = done.batch;
  const std::vector<std::string> changed = take_changed(done);
  metrics_.degraded.set(done.result ? 0 : 1);
  if (done.result) {
    metrics_.journal_syncs.add();
    metrics_.journal_bytes.set(static_cast<double>(done.file_bytes));
    file_bytes_ = done.file_bytes + gathered_.size();
    replacing_ = false;
    if (!std::exchange(note_, {}).empty()) {
      logger_.info("the lease journal can be written again");
    }
  } else {
    metrics_.journal_errors.add();
    if (note_.empty()) {
      logger_.error("cannot write the lease journal; new services are withheld until it works: {}",
                    done.result.error().message);
    }
    note_ = "the lease journal cannot be written, new services are withheld: " +
            done.result.error().message;
    // One whole write is always under way until one succeeds; it holds what the failed batches
    // held.
    if (done.batch + 1 == batch_ || !replacing_) {
      replace_all();
    }
  }
  update_metrics();
  if (!changed.empty()) {
    on_change_(changed);
  }
  tell_waiting(done);
}

std::vector<std::string> LeaseStore::take_changed(const JournalWriter::Done& done) {
  std::vector<std::string> changed;
  const auto is_later = [&](const Unwritten& unwritten) { return unwritten.batch > done.batch; };
  const auto later = std::ranges::find_if(unwritten_, is_later);
  for (auto unwritten = unwritten_.begin(); unwritten != later; ++unwritten) {
    if (done.result) {
      unwritten_keys_ -= unwritten->keys.size();
      std::ranges::move(unwritten->keys, std::back_inserter(changed));
    } else if (!std::exchange(unwritten->failed, true)) {
      std::ranges::copy(unwritten->keys, std::back_inserter(changed));
    }
  }
  if (done.result) {
    unwritten_.erase(unwritten_.begin(), later);
    durable_batch_ = done.batch;
    allocator_.forget_batches(durable_batch_);
  }
  return changed;
}

LeaseStore::Lease LeaseStore::lease_of(const Allocator::Entry& entry) const {
  LeaseStatus status = LeaseStatus::kDurable;
  if (entry.batch > durable_batch_) {
    status = entry.batch > done_batch_ ? LeaseStatus::kPending : LeaseStatus::kStorageFailed;
  }
  return {entry.ipv4, entry.ipv6, status};
}

std::string LeaseStore::state_note() const {
  const std::string& damage = folder_.damage_note();
  return note_ + (note_.empty() || damage.empty() ? "" : "; ") + damage;
}

std::optional<LeaseStore::Lease> LeaseStore::find(std::string_view key) const {
  const auto entry = allocator_.find(key);
  if (!entry || entry->state != LeaseState::kActive) {
    return std::nullopt;
  }
  return lease_of(*entry);
}

void LeaseStore::for_each(
    const std::function<void(std::string_view key, const Lease&)>& visit) const {
  allocator_.for_each([&](std::string_view key, const Allocator::Entry& entry) {
    if (entry.state == LeaseState::kActive) {
      visit(key, lease_of(entry));
    }
  });
}

void LeaseStore::update_metrics() {
  metrics_.active.set(static_cast<double>(allocator_.active()));
  metrics_.released.set(static_cast<double>(allocator_.released()));
  metrics_.pending.set(static_cast<double>(unwritten_keys_));
  if (!writer_) {
    metrics_.degraded.set(1);
  }
}

}  // namespace meshdns::vip
