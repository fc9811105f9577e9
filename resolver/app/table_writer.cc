#include "resolver/app/table_writer.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/file_replacement.h"
#include "base/file_system.h"
#include "base/result.h"
#include "discovery/feeds/feed_log.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_image.h"

namespace meshdns::dns {
namespace {

constexpr std::chrono::milliseconds kSyncPause{1000};  // between appending and fsync
constexpr std::chrono::milliseconds kFirstRetry{1000};
constexpr std::chrono::milliseconds kLongestRetry{30'000};
constexpr std::size_t kMaxQueuedOctets = 64UL << 20U;
constexpr mode_t kFileMode = 0600;
constexpr std::size_t kSettledOctets = 1;  // of the file that says so; else it is empty

std::string settled_path(const std::string& directory) { return directory + "/table.settled"; }

}  // namespace

std::string TableWriter::log_path(const std::string& directory, const std::string& feed) {
  return directory + "/" + feed + ".feed";
}
std::string TableWriter::image_path(const std::string& directory) {
  return directory + "/table.image";
}
std::string TableWriter::age_path(const std::string& directory) { return directory + "/table.age"; }

bool TableWriter::is_settled(const std::string& directory, FileSystem& files) {
  const auto flag = read_file(files, settled_path(directory), kSettledOctets);
  return flag && flag->size() == kSettledOctets;
}

TableWriter::TableWriter(Options options, FileSystem& files, Callbacks callbacks)
    : options_(std::move(options)),
      files_(files),
      callbacks_(std::move(callbacks)),
      pause_(kFirstRetry) {
  for (const std::string& feed : options_.feeds) {
    logs_.emplace_back(log_path(options_.directory, feed), options_.feed_fingerprint, files_);
  }
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "table-files");  // for `top -H`
}

TableWriter::~TableWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  if (ahead_.joinable()) {
    ahead_.join();
  }
}

bool TableWriter::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void TableWriter::append(std::size_t feed, std::string records) {
  enqueue({.kind = Job::Kind::kAppend, .feed = feed, .text = std::move(records)});
}

void TableWriter::end_doubt() { enqueue({.kind = Job::Kind::kEndDoubt, .text = {}}); }

void TableWriter::write_image(const Snapshot& snapshot) {
  enqueue({.kind = Job::Kind::kImage, .text = {}, .snapshot = &snapshot});
}

void TableWriter::write_age(std::string record) {
  enqueue({.kind = Job::Kind::kAge, .text = std::move(record)});
}

void TableWriter::enqueue(Job job) {
  if (!options_.may_write) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (job.kind == Job::Kind::kAppend && queued_octets_ + job.text.size() > kMaxQueuedOctets) {
      job = {.kind = Job::Kind::kGiveUp, .feed = job.feed, .text = {}};
    }
    unwritten_ += job.has_records() ? 1U : 0U;
    queued_octets_ += job.text.size();
    jobs_.push_back(std::move(job));
  }
  wake_.notify_all();
}

void TableWriter::run() {
  in_doubt_ = !is_settled(options_.directory, files_);
  read_logs();
  if (!options_.may_write) {
    return;
  }
  open_settled_file();
  while (true) {
    Job job;
    if (next(job)) {
      perform(job);
      finish(job);
      if (is_sync_due()) {
        sync_logs();
      }
      continue;
    }
    catch_up();
    settle_if_written();
    if (is_stopping()) {
      return;
    }
  }
}

bool TableWriter::is_written() const {
  const std::lock_guard lock(mutex_);
  return unwritten_ == 0;
}

bool TableWriter::says_unsettled() const {
  const std::lock_guard lock(mutex_);
  return says_unsettled_;
}

void TableWriter::finish(const Job& job) {
  bool are_all = false;
  if (job.has_records()) {
    const std::lock_guard lock(mutex_);
    are_all = --unwritten_ == 0;
  }
  settle_if_written();
  if (are_all) {
    callbacks_.on_written();
  }
}

void TableWriter::perform_appends() {
  while (true) {
    Job job;
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.empty() || !jobs_.front().has_records()) {
        return;
      }
      take(job);
    }
    perform(job);
    finish(job);
  }
}

void TableWriter::read_logs() {
  for (std::size_t feed = 0; feed < logs_.size(); ++feed) {
    const auto loaded = logs_[feed].load();
    callbacks_.on_log(feed, loaded);
    if (!options_.may_write) {
      continue;
    }
    if (loaded) {
      note(logs_[feed].path(), logs_[feed].begin(*loaded));
    } else {
      // What cannot be read is not written over.
      logs_[feed].leave_alone();
      note(logs_[feed].path(), tl::unexpected(loaded.error()));
    }
  }
  callbacks_.on_read();
}

bool TableWriter::next(Job& job) {
  std::unique_lock lock(mutex_);
  const auto due = [this] { return stopping_ || !jobs_.empty(); };
  if (is_behind() || has_unsynced()) {
    wake_.wait_for(lock, is_behind() ? pause_ : kSyncPause, due);
  } else {
    wake_.wait(lock, due);
  }
  if (jobs_.empty()) {
    return false;
  }
  take(job);
  return true;
}

void TableWriter::take(Job& job) {
  job = std::move(jobs_.front());
  jobs_.pop_front();
  queued_octets_ -= job.text.size();
}

bool TableWriter::is_behind() const {
  return std::ranges::any_of(logs_, &discovery::FeedLog::is_behind);
}

bool TableWriter::has_unsynced() const {
  return std::ranges::any_of(logs_, &discovery::FeedLog::is_unsynced);
}

void TableWriter::perform(const Job& job) {
  if (job.has_records()) {
    unsettle();
  }
  switch (job.kind) {
    case Job::Kind::kAppend:
      if (!has_unsynced()) {
        unsynced_since_ = std::chrono::steady_clock::now();
      }
      // A log that is behind has said so, and a good append says nothing about what is missing.
      if (const auto appended = logs_[job.feed].append(job.text); !appended) {
        note(logs_[job.feed].path(), appended);
      }
      return;
    case Job::Kind::kGiveUp:
      logs_[job.feed].give_up();
      note(logs_[job.feed].path(),
           fail(ErrorCode::kExhausted, logs_[job.feed].path() + ": the disk is too slow"));
      return;
    case Job::Kind::kImage: {
      sync_logs();
      const auto written = write_image_now(*job.snapshot);
      note(image_path(options_.directory), written);
      callbacks_.on_image(written);
      return;
    }
    case Job::Kind::kEndDoubt:
      in_doubt_ = false;
      return;
    case Job::Kind::kAge:
      note(age_path(options_.directory),
           replace_file(files_, age_path(options_.directory), job.text, kFileMode));
      return;
  }
}

void TableWriter::catch_up() {
  bool failed = false;
  for (discovery::FeedLog& log : logs_) {
    if (log.is_behind()) {
      const auto written = log.retry();
      note(log.path(), written);
      failed = failed || !written;
    }
  }
  pause_ = failed ? std::min(pause_ * 2, kLongestRetry) : kFirstRetry;
  sync_logs();
}

bool TableWriter::is_sync_due() const {
  return has_unsynced() && std::chrono::steady_clock::now() - unsynced_since_ >= kSyncPause;
}

void TableWriter::sync_logs() {
  for (discovery::FeedLog& log : logs_) {
    if (const auto synced = log.sync(); !synced) {
      unsettle();  // nobody knows what is left of the log
      note(log.path(), synced);
    }
  }
}

Result<void> TableWriter::write_image_now(const Snapshot& snapshot) {
  const std::string path = image_path(options_.directory);
  if (!options_.may_write_image) {
    return fail(ErrorCode::kCorrupt, path + " is no table of this program, and is left alone");
  }
  ImageHead head{.fingerprint = options_.table_fingerprint, .marks = {}};
  for (std::size_t feed = 0; feed < logs_.size(); ++feed) {
    const auto position = logs_[feed].position();
    head.marks.push_back({.feed = options_.feeds[feed],
                          .generation = position.generation,
                          .octets = position.octets});
  }
  auto file = FileReplacement::begin(files_, path, kFileMode);
  if (!file) {
    return tl::unexpected(std::move(file.error()));
  }
  return dns::write_image(snapshot, head,
                          [&](std::string_view piece) {
                            perform_appends();
                            return file->append(piece);
                          })
      .and_then([&] { return file->commit(); });
}

void TableWriter::open_settled_file() {
  const std::string path = settled_path(options_.directory);
  auto file = files_.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode);
  const std::lock_guard flag(flag_mutex_);
  if (file) {
    settled_file_ = *std::move(file);
    settled_ = !in_doubt_;
    const std::lock_guard lock(mutex_);
    says_unsettled_ = !settled_;
  } else {
    flagged_ = tl::unexpected(std::move(file.error()));
    std::ignore = files_.remove(path);  // it could not be taken back
  }
}

void TableWriter::unsettle() {
  const std::lock_guard flag(flag_mutex_);
  if (settled_) {
    empty_flag();
  }
}

void TableWriter::unsettle_ahead() {
  if (unsettling_ahead_.exchange(true)) {
    return;
  }
  if (ahead_.joinable()) {
    ahead_.join();  // it has ended
  }
  try {
    ahead_ = std::thread([this] {
      {
        const std::lock_guard flag(flag_mutex_);
        // Otherwise the writer has gone on, and nobody would set it again.
        if (settled_ && !is_written()) {
          empty_flag();
        }
      }
      unsettling_ahead_ = false;
    });
  } catch (const std::system_error&) {
    unsettling_ahead_ = false;  // there is no thread to be had now
  }
}

void TableWriter::empty_flag() {
  {
    const std::lock_guard lock(mutex_);
    says_unsettled_ = true;
  }
  set_settled(false);
  if (!flagged_) {
    std::ignore = files_.remove(settled_path(options_.directory));  // which says the same
  }
}

void TableWriter::settle_if_written() {
  const bool all_written =
      !in_doubt_ && std::ranges::none_of(logs_, [](const discovery::FeedLog& log) {
        return log.is_behind() || log.is_lost();
      });
  const std::lock_guard flag(flag_mutex_);
  if (all_written && !settled_ && settled_file_.valid() && begin_settling()) {
    set_settled(true);
  }
  note(settled_path(options_.directory), flagged_);
}

bool TableWriter::begin_settling() {
  const std::lock_guard lock(mutex_);
  says_unsettled_ = unwritten_ > 0;
  return !says_unsettled_;
}

void TableWriter::set_settled(bool settled) {
  flagged_ = files_.truncate(settled_file_.get(), settled ? kSettledOctets : 0);
  settled_ = settled && flagged_;
}

void TableWriter::note(const std::string& path, const Result<void>& result) {
  const auto known =
      std::ranges::find(troubles_, path, &std::pair<std::string, std::string>::first);
  const std::string reason = result ? std::string() : result.error().message;
  if (known == troubles_.end() ? result.has_value() : known->second == reason) {
    return;
  }
  if (result) {
    troubles_.erase(known);
  } else if (known == troubles_.end()) {
    troubles_.emplace_back(path, reason);
  } else {
    known->second = reason;
  }
  callbacks_.on_trouble(troubles_.empty() ? std::string() : troubles_.front().second);
}

}  // namespace meshdns::dns
