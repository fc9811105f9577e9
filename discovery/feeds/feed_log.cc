#include "discovery/feeds/feed_log.h"

#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/file_replacement.h"
#include "base/file_system.h"
#include "base/result.h"
#include "discovery/feeds/feed_log_format.h"

namespace meshdns::discovery {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr std::size_t kMaxLogBytes = std::size_t{1} << 30U;
constexpr std::size_t kWriteBytes = std::size_t{1} << 18U;

std::uint64_t new_generation() {
  std::random_device random;
  // Never 0, which means none.
  return (std::uint64_t{random()} << 32U) | random() | 1U;
}

}  // namespace

bool FeedLog::Loaded::covers(const Position& position) const {
  if (contents.kind != FeedLogKind::kLog || position.generation == 0) {
    return false;
  }
  return contents.generation == position.generation ? contents.end_offset >= position.octets
                                                    : contents.whole;
}

Result<FeedLog::Loaded> FeedLog::load() const {
  Loaded loaded;
  auto file = read_file(files_, path_, kMaxLogBytes);
  if (!file) {
    return file.error().code == ErrorCode::kNotFound ? Result<Loaded>(std::move(loaded))
                                                     : tl::unexpected(std::move(file.error()));
  }
  loaded.file = *std::move(file);
  loaded.contents = parse_feed_log(loaded.file, fingerprint_);
  return loaded;
}

FeedLog::Position FeedLog::peek() const {
  const auto file = files_.open(path_, O_RDONLY | O_NONBLOCK, 0);
  if (!file) {
    return {};
  }
  std::string head(kMaxFeedHeaderOctets, '\0');
  const auto size = size_of(file->get());
  const auto count = files_.read(file->get(), head);
  if (!size || !count) {
    return {};
  }
  return {.generation = feed_log_generation(std::string_view(head).substr(0, *count), fingerprint_),
          .octets = *size};
}

Result<void> FeedLog::begin(const Loaded& loaded) {
  const FeedLogContents& contents = loaded.contents;
  if (contents.kind == FeedLogKind::kForeign) {
    lost_ = true;
    return fail(ErrorCode::kCorrupt, path_ + " is no log of a feed, and is left alone");
  }
  if (contents.kind == FeedLogKind::kLog) {
    generation_ = contents.generation;
    octets_ = contents.end_offset;
    base_octets_ = octets_;
    in_doubt_ = contents.cut;
  }
  if (contents.kind == FeedLogKind::kOther || contents.kind == FeedLogKind::kOtherVersion) {
    // Best effort: whoever goes back finds it again.
    std::ignore = files_.rename(path_, path_ + ".old");
  }
  if (generation_ == 0 || in_doubt_) {
    auto written = write_anew(contents, {});
    broken_ = !written;
    return written;
  }
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    broken_ = true;
    return tl::unexpected(std::move(file.error()));
  }
  file_ = *std::move(file);
  return {};
}

Result<void> FeedLog::append(std::string_view records) {
  if (broken_ || lost_) {
    fall_behind(records);
    return {};
  }
  if (auto written = write_all(files_, file_.get(), records); !written) {
    fall_behind(records);
    return fail(path_, std::move(written.error()));
  }
  octets_ += records.size();
  unsynced_ = true;
  return octets_ > 2 * base_octets_ + kSlackBytes ? rewrite() : Result<void>();
}

Result<void> FeedLog::sync() {
  if (!unsynced_ || broken_) {
    return {};
  }
  unsynced_ = false;
  if (auto synced = files_.sync(file_.get()); !synced) {
    fall_behind({});
    return fail(path_, std::move(synced.error()));
  }
  return {};
}

FeedLog::Position FeedLog::position() const {
  return broken_ || lost_ ? Position{} : Position{.generation = generation_, .octets = octets_};
}

// Nobody knows what of a failed write is in the file: it counts up to where it was good.
void FeedLog::fall_behind(std::string_view records) {
  broken_ = true;
  file_.reset();
  if (lost_ || backlog_.size() + records.size() > kMaxBacklogBytes) {
    give_up();
    return;
  }
  backlog_ += records;
}

void FeedLog::give_up() {
  broken_ = true;
  file_.reset();
  backlog_ = {};
  if (!std::exchange(lost_, true)) {
    std::ignore = files_.remove(path_);  // what it says would be too old to be of use
  }
}

Result<void> FeedLog::rewrite() {
  auto file = generation_ == 0 ? Result<std::string>(std::string())
                               : read_file(files_, path_, kMaxLogBytes);
  if (!file) {
    broken_ = true;
    return tl::unexpected(std::move(file.error()));
  }
  // What is behind octets_ is in the backlog, whole.
  const std::string_view good = std::string_view(*file).substr(0, octets_);
  const FeedLogContents contents = parse_feed_log(good, fingerprint_);
  if (contents.end_offset != octets_ || contents.generation != generation_) {
    in_doubt_ = true;  // it is another than it was
  }
  auto written = write_anew(contents, backlog_);
  broken_ = !written;
  if (written) {
    backlog_ = {};
  }
  return written;
}

Result<void> FeedLog::write_anew(const FeedLogContents& contents, std::string_view more) {
  auto replacement = FileReplacement::begin(files_, path_, kFileMode);
  if (!replacement) {
    return tl::unexpected(std::move(replacement.error()));
  }
  const std::uint64_t generation = new_generation();
  std::uint64_t octets = 0;
  const auto write = [&](std::string_view data) {
    octets += data.size();
    return replacement->append(data);
  };
  std::string header;
  append_feed_header(fingerprint_, generation, header);
  Result<void> written = write(header);
  FeedRecords records;
  std::size_t pending = 0;
  for (const auto& held : contents.held) {
    records.set(held.name, held.version, held.value);
    pending += held.name.size() + held.value.size();
    if (written && pending > kWriteBytes) {
      pending = 0;
      written = write(records.take());
    }
  }
  records.say_whole(contents.whole && !in_doubt_);
  written = written.and_then([&] { return write(records.take()); })
                .and_then([&] { return write(more); })
                .and_then([&] { return replacement->commit(); });
  if (!written) {
    return written;
  }
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    // What is there is whole, but not ours to append to.
    generation_ = generation;
    octets_ = octets;
    return tl::unexpected(std::move(file.error()));
  }
  file_ = *std::move(file);
  generation_ = generation;
  octets_ = octets;
  base_octets_ = octets;
  unsynced_ = false;
  in_doubt_ = false;
  return {};
}

}  // namespace meshdns::discovery
