#include "vip/lease_store.h"

#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
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
#include "vip/pool.h"

namespace meshdns::vip {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr std::size_t kMaxJournalBytes = std::size_t{1} << 30U;
// A journal that has grown to twice its last whole form, and by at least this, is written anew.
constexpr std::uint64_t kCompactionSlackBytes = std::uint64_t{1} << 20U;
constexpr int kMaxSetAside = 100;

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
    : options_(options),
      files_(files),
      post_(std::move(post)),
      on_change_(std::move(on_change)),
      logger_(logger),
      metrics_(metrics),
      allocator_(pools, clock),
      path_(options.directory + "/vips.journal"),
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
    if (options.mode == StateMode::kRequired) {
      return tl::unexpected(loaded.error());
    }
    store->go_on_in_memory(loaded.error());
  }
  store->update_metrics();
  return store;
}

void LeaseStore::go_on_in_memory(const Error& error) {
  lock_.reset();
  file_.reset();
  // What was told before stays true where the journal can be read, though nothing can be added.
  if (allocator_.active() + allocator_.released() == 0) {
    if (const auto content = read_file(files_, path_, kMaxJournalBytes)) {
      parse_journal(*content, options_.instance,
                    [this](const LeaseRecord& record) { allocator_.restore(record); });
    }
  }
  note_ = fmt::format("leases are kept in memory only, beginning with {} of the journal: {}",
                      allocator_.active(), error.message);
  logger_.warn("{}", note_);
}

Result<void> LeaseStore::load() {
  if (options_.instance.size() > kMaxInstanceOctets) {
    return fail(ErrorCode::kInvalidArgument, "the instance name is longer than 255 octets");
  }
  if (auto made = make_directories(files_, options_.directory, kFolderMode); !made) {
    return made;
  }
  const std::string lock_path = options_.directory + "/vips.lock";
  auto lock = files_.open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode);
  if (!lock) {
    return tl::unexpected(lock.error());
  }
  if (auto locked = files_.lock(lock->get()); !locked) {
    return fail(lock_path +
                    " (is another meshdns running on this state folder? give each an "
                    "--instance or a --state-dir)",
                locked.error());
  }
  lock_ = std::move(*lock);

  const auto content = read_file(files_, path_, kMaxJournalBytes);
  if (!content && content.error().code != ErrorCode::kNotFound) {
    return tl::unexpected(content.error());
  }
  auto ready = content ? read_existing(*content) : create_file(next_sequence_);
  if (!ready) {
    return ready;
  }
  start_writer({path_, options_.instance, std::move(file_), file_bytes_, next_sequence_});
  return {};
}

Result<void> LeaseStore::read_existing(const std::string& content) {
  // Into an allocator of its own kind only once the file is known to be ours: parse_journal() reads
  // no record otherwise.
  const auto contents =
      parse_journal(content, options_.instance,
                    [this](const LeaseRecord& record) { allocator_.restore(record); });
  switch (contents.kind) {
    case JournalKind::kForeign:
      return fail(ErrorCode::kCorrupt,
                  path_ + " is no lease journal; move it away or name another state folder");
    case JournalKind::kNewerVersion:
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{} has format version {}, this program knows {}; run the newer "
                              "program or name another state folder",
                              path_, contents.version, kJournalVersion));
    case JournalKind::kOtherInstance:
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{} belongs to the instance '{}', not '{}'", path_,
                              escape_name(contents.instance), options_.instance));
    case JournalKind::kJournal:
      break;
  }
  next_sequence_ = contents.next_sequence;
  if (!contents.damages.empty()) {
    for (const Damage& damage : contents.damages) {
      logger_.error("the lease journal is damaged file={} offset={} octets={}", path_,
                    damage.offset, damage.octets);
    }
    metrics_.journal_damages.add(contents.damages.size());
    if (auto kept = keep_damaged(content); !kept) {
      return kept;
    }
    return create_file(next_sequence_);
  }
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    return tl::unexpected(file.error());
  }
  file_ = std::move(*file);
  file_bytes_ = contents.end_offset;
  if (contents.end_offset < content.size()) {
    logger_.warn("cut a torn tail off the lease journal file={} octets={}", path_,
                 content.size() - contents.end_offset);
    if (auto cut = files_.truncate(file_.get(), contents.end_offset); !cut) {
      return fail(path_, cut.error());
    }
  }
  // What was read may not be on disk yet: its writer may have been killed before it could sync.
  auto synced = files_.sync(file_.get()).and_then([this] {
    return sync_directory(files_, options_.directory);
  });
  if (!synced) {
    return fail(path_, synced.error());
  }
  return {};
}

Result<void> LeaseStore::keep_damaged(const std::string& content) {
  // A copy, so that at no moment the folder is without a journal: a start that ends between these
  // steps is followed by one that finds the damage again.
  for (int i = 1; i <= kMaxSetAside; ++i) {
    const std::string aside = fmt::format("{}.corrupt-{}", path_, i);
    const auto present = read_file(files_, aside, kMaxJournalBytes);
    if (present ? *present != content : present.error().code != ErrorCode::kNotFound) {
      continue;
    }
    if (!present) {
      if (auto copied = replace_file(files_, aside, content, kFileMode); !copied) {
        return copied;
      }
    }
    damage_note_ = fmt::format(
        "the lease journal was damaged; what could be read is in use, the damaged file is kept as "
        "{}",
        aside);
    logger_.error("{}", damage_note_);
    return {};
  }
  return fail(ErrorCode::kCorrupt,
              fmt::format("{} is damaged, and {} damaged files are already kept beside it; look "
                          "at the disk and move them away",
                          path_, kMaxSetAside));
}

Result<void> LeaseStore::create_file(std::uint64_t first_sequence) {
  std::string records = image();
  std::string content;
  append_header(options_.instance, first_sequence, content);
  next_sequence_ = first_sequence + seal_records(records, first_sequence);
  content += records;
  if (auto written = replace_file(files_, path_, content, kFileMode); !written) {
    return written;
  }
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    return tl::unexpected(file.error());
  }
  file_ = std::move(*file);
  file_bytes_ = image_bytes_ = content.size();
  return {};
}

void LeaseStore::start_writer(JournalWriter::Start start) {
  writer_ = std::make_unique<JournalWriter>(
      std::move(start), files_,
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
  const auto* entry = allocator_.find(key);
  return entry == nullptr ? Lease{} : lease_of(key, *entry);
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
        "a VIP pool is exhausted: new services get no address; widen vip.ipv4_pool or "
        "vip.ipv6_pool first_key={}",
        key);
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
  if (!writer_) {
    return;  // leases in memory
  }
  const auto* entry = allocator_.find(key);
  append_record({entry->state, entry->ipv4, entry->ipv6, key}, gathered_);
  unwritten_[std::string(key)] = {batch_, false};
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
  std::vector<std::string> changed;
  for (auto entry = unwritten_.begin(); entry != unwritten_.end();) {
    if (entry->second.batch > done.batch) {
      ++entry;
      continue;
    }
    if (done.result) {
      changed.push_back(entry->first);
      entry = unwritten_.erase(entry);
      continue;
    }
    if (!std::exchange(entry->second.failed, true)) {
      changed.push_back(entry->first);
    }
    ++entry;
  }
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
}

LeaseStore::Lease LeaseStore::lease_of(std::string_view key, const Allocator::Entry& entry) const {
  const auto unwritten = unwritten_.find(std::string(key));
  LeaseStatus status = LeaseStatus::kDurable;
  if (unwritten != unwritten_.end()) {
    status = unwritten->second.failed ? LeaseStatus::kStorageFailed : LeaseStatus::kPending;
  }
  return {entry.ipv4, entry.ipv6, status};
}

std::string LeaseStore::state_note() const {
  return note_ + (note_.empty() || damage_note_.empty() ? "" : "; ") + damage_note_;
}

std::optional<LeaseStore::Lease> LeaseStore::find(std::string_view key) const {
  const auto* entry = allocator_.find(key);
  if (entry == nullptr || entry->state != LeaseState::kActive) {
    return std::nullopt;
  }
  return lease_of(key, *entry);
}

void LeaseStore::for_each(
    const std::function<void(std::string_view key, const Lease&)>& visit) const {
  allocator_.for_each([&](std::string_view key, const Allocator::Entry& entry) {
    if (entry.state == LeaseState::kActive) {
      visit(key, lease_of(key, entry));
    }
  });
}

void LeaseStore::update_metrics() {
  metrics_.active.set(static_cast<double>(allocator_.active()));
  metrics_.released.set(static_cast<double>(allocator_.released()));
  metrics_.pending.set(static_cast<double>(unwritten_.size()));
  if (!writer_) {
    metrics_.degraded.set(1);
  }
}

}  // namespace meshdns::vip
