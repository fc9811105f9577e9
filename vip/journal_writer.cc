#include "vip/journal_writer.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/file_system.h"
#include "base/result.h"
#include "vip/journal_format.h"

namespace meshdns::vip {
namespace {

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{5000};
constexpr mode_t kJournalMode = 0600;
constexpr std::size_t kEndOctets = 64;

}  // namespace

JournalWriter::JournalWriter(Start start, FileSystem& files, Hold hold, OnDone on_done)
    : state_(std::move(start)),
      files_(files),
      hold_(std::move(hold)),
      on_done_(std::move(on_done)) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "vip-journal");  // for `top -H`
}

JournalWriter::~JournalWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void JournalWriter::append(std::uint64_t batch, std::string records) {
  enqueue({batch, Kind::kAppend, std::move(records)});
}

void JournalWriter::replace(std::uint64_t batch, std::string records) {
  enqueue({batch, Kind::kReplace, std::move(records)});
}

void JournalWriter::look() {
  {
    const std::lock_guard lock(mutex_);
    if (!jobs_.empty()) {
      return;  // it will look in any case
    }
    jobs_.push_back({.kind = Kind::kLook, .records = {}});
  }
  wake_.notify_all();
}

std::string JournalWriter::end_of(std::string_view content) {
  return std::string(content.substr(content.size() - std::min(content.size(), kEndOctets)));
}

void JournalWriter::enqueue(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_all();
}

void JournalWriter::run() {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) {
        return;
      }
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    const bool was_broken = broken_;
    auto result = perform(job);
    if (job.kind != Kind::kLook) {
      last_batch_ = job.batch;
    } else if (result || was_broken) {
      continue;
    }
    on_done_({last_batch_, std::move(result), state_.file_bytes});
  }
}

Result<void> JournalWriter::perform(Job& job) {
  if (job.kind != Kind::kReplace) {
    if (broken_) {
      return fail(ErrorCode::kIo, state_.path + ": an earlier write failed");
    }
    auto stands = job.kind == Kind::kLook ? Result<void>() : append_now(job.records);
    stands = stands.and_then([this] { return find(); });
    broken_ = !stands;
    return stands;
  }
  pause();
  auto held = broken_ || !find() ? hold_() : Result<void>();
  auto replaced = held.and_then([&] { return replace_now(job.records); });
  broken_ = !replaced;
  retry_pause_ = replaced ? std::chrono::milliseconds(0)
                          : std::clamp(retry_pause_ * 2, kFirstPause, kLongestPause);
  return replaced;
}

void JournalWriter::pause() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, retry_pause_, [this] { return stopping_; });
}

Result<void> JournalWriter::append_now(std::string& records) {
  const std::uint64_t count = seal_records(records, state_.next_sequence);
  const auto written = write_all(files_, state_.file.get(), records).and_then([this] {
    return files_.sync(state_.file.get());
  });
  if (!written) {
    return fail(state_.path, written.error());
  }
  state_.next_sequence += count;
  state_.file_bytes += records.size();
  state_.end = end_of(state_.end + end_of(records));
  return {};
}

Result<void> JournalWriter::find() const {
  const auto file = files_.open(state_.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  bool stands = file || file.error().code != ErrorCode::kNotFound;
  if (file) {
    std::string end(state_.end.size() + 1, '\0');  // nobody else has written behind it
    const auto count = read_all_at(files_, file->get(), state_.file_bytes - state_.end.size(), end);
    stands = !count || std::string_view(end).substr(0, *count) == state_.end;
  }
  return stands ? Result<void>() : fail(ErrorCode::kIo, state_.path + " was removed or replaced");
}

Result<void> JournalWriter::replace_now(std::string& records) {
  // Numbers go on from file to file, so that an old tail can never be taken for a new one.
  std::string content;
  append_header(state_.instance, state_.next_sequence, content);
  const std::uint64_t count = seal_records(records, state_.next_sequence);
  content += records;
  auto replaced = replace_file(files_, state_.path, content, kJournalMode);
  if (!replaced) {
    return replaced;
  }
  auto file = files_.open(state_.path, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    return tl::unexpected(file.error());
  }
  state_.file = std::move(*file);
  state_.next_sequence += count;
  state_.file_bytes = content.size();
  state_.end = end_of(content);
  return {};
}

}  // namespace meshdns::vip
