#include "vip/state_folder.h"

#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "vip/journal_format.h"
#include "vip/journal_writer.h"
#include "vip/lease_record.h"
#include "vip/metrics.h"

namespace meshdns::vip {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr std::size_t kMaxJournalBytes = std::size_t{1} << 30U;
constexpr int kMaxKept = 100;

// Fails unless the file is ours.
Result<void> check_kind(const JournalContents& contents, const std::string& path,
                        const std::string& instance) {
  switch (contents.kind) {
    case JournalKind::kForeign:
      return fail(ErrorCode::kCorrupt,
                  path + " is no lease journal; move it away or name another state folder");
    case JournalKind::kOtherVersion:
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{} has format version {}, this program knows {}; run the {} "
                              "program or name another state folder",
                              path, contents.version, kJournalVersion,
                              contents.version > kJournalVersion ? "newer" : "older"));
    case JournalKind::kOtherInstance:
      return fail(ErrorCode::kCorrupt, fmt::format("{} belongs to the instance '{}', not '{}'",
                                                   path, escape_name(contents.instance), instance));
    case JournalKind::kJournal:
      break;
  }
  return {};
}

// Whether both are open on one file.
bool are_same(const UniqueFd& one, const UniqueFd& other) {
  struct stat first{};
  struct stat second{};
  return one.valid() && ::fstat(one.get(), &first) == 0 && ::fstat(other.get(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

StateFolder::StateFolder(std::string directory, std::string instance, FileSystem& files,
                         Logger& logger, VipMetrics& metrics)
    : directory_(std::move(directory)),
      instance_(std::move(instance)),
      files_(files),
      logger_(logger),
      metrics_(metrics),
      path_(directory_ + "/vips.journal") {}

Result<void> StateFolder::lock() {
  if (instance_.size() > kMaxInstanceOctets) {
    return fail(ErrorCode::kInvalidArgument, "the instance name is longer than 255 octets");
  }
  if (auto made = make_directories(files_, directory_, kFolderMode); !made) {
    return made;
  }
  const std::string lock_path = directory_ + "/vips.lock";
  auto lock = files_.open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode);
  if (!lock) {
    return tl::unexpected(lock.error());
  }
  if (are_same(lock_, *lock)) {
    return {};
  }
  if (auto locked = files_.lock(lock->get()); !locked) {
    return fail(lock_path +
                    " (is another meshdns running on this state folder? give each an "
                    "--instance or a --state-dir)",
                locked.error());
  }
  lock_ = std::move(*lock);
  return {};
}

Result<StateFolder::Found> StateFolder::read(
    const std::function<void(const LeaseRecord&)>& on_record) const {
  Found found;
  auto content = read_file(files_, path_, kMaxJournalBytes);
  if (!content) {
    found.contents.next_sequence = 1;
    return content.error().code == ErrorCode::kNotFound ? Result<Found>(std::move(found))
                                                        : tl::unexpected(content.error());
  }
  found.is_there = true;
  found.content = std::move(*content);
  found.contents = parse_journal(found.content, instance_, on_record);
  if (auto ours = check_kind(found.contents, path_, instance_); !ours) {
    return tl::unexpected(ours.error());
  }
  return found;
}

Result<JournalWriter::Start> StateFolder::take_over(const Found& found, std::string records) {
  if (found.is_there && !found.is_damaged()) {
    return append_to(found);
  }
  return write_anew(found, std::move(records));
}

Result<JournalWriter::Start> StateFolder::append_to(const Found& found) {
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    return tl::unexpected(file.error());
  }
  const std::uint64_t end = found.contents.end_offset;
  if (end < found.content.size()) {
    logger_.warn("cut a torn tail off the lease journal file={} octets={}", path_,
                 found.content.size() - end);
    if (auto cut = files_.truncate(file->get(), end); !cut) {
      return fail(path_, cut.error());
    }
  }
  // What was read may not be on disk yet: its writer may have been killed before it could sync.
  const auto synced =
      files_.sync(file->get()).and_then([this] { return sync_directory(files_, directory_); });
  if (!synced) {
    return fail(path_, synced.error());
  }
  return JournalWriter::Start{
      path_,
      instance_,
      std::move(*file),
      end,
      found.contents.next_sequence,
      JournalWriter::end_of(std::string_view(found.content).substr(0, end))};
}

Result<JournalWriter::Start> StateFolder::write_anew(const Found& found, std::string records) {
  if (found.is_damaged()) {
    // A copy, so that at no moment the folder is without a journal: a start that ends between
    // these steps is followed by one that finds the damage again.
    if (auto kept = keep_damaged(found); !kept) {
      return tl::unexpected(kept.error());
    }
  }
  std::uint64_t next_sequence = found.contents.next_sequence;
  std::string content;
  append_header(instance_, next_sequence, content);
  next_sequence += seal_records(records, next_sequence);
  content += records;
  if (auto written = replace_file(files_, path_, content, kFileMode); !written) {
    return tl::unexpected(written.error());
  }
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    return tl::unexpected(file.error());
  }
  return JournalWriter::Start{path_,          instance_,     std::move(*file),
                              content.size(), next_sequence, JournalWriter::end_of(content)};
}

Result<void> StateFolder::keep_damaged(const Found& found) {
  for (const Damage& damage : found.contents.damages) {
    logger_.error("the lease journal is damaged file={} offset={} octets={}", path_, damage.offset,
                  damage.octets);
  }
  for (int i = 1; i <= kMaxKept; ++i) {
    const std::string kept = fmt::format("{}.corrupt-{}", path_, i);
    const auto present = read_file(files_, kept, kMaxJournalBytes);
    if (present ? *present != found.content : present.error().code != ErrorCode::kNotFound) {
      continue;
    }
    if (!present) {
      if (auto copied = replace_file(files_, kept, found.content, kFileMode); !copied) {
        return copied;
      }
    }
    metrics_.journal_damages.add(found.contents.damages.size());
    damage_note_ = fmt::format(
        "the lease journal was damaged; what could be read is in use, the damaged file is kept as "
        "{}",
        kept);
    logger_.error("{}", damage_note_);
    return {};
  }
  return fail(ErrorCode::kCorrupt,
              fmt::format("{} is damaged, and {} damaged files are already kept beside it; look "
                          "at the disk and move them away",
                          path_, kMaxKept));
}

}  // namespace meshdns::vip
