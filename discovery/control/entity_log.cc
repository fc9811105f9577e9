#include "discovery/control/entity_log.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <sys/types.h>

#include "base/file_replacement.h"
#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/feeds/feed_log_format.h"
#include "discovery/feeds/feed_log_reader.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kFingerprint = "entities 1";
constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr std::size_t kWriteBytes = std::size_t{1} << 18U;

std::uint64_t new_generation() {
  std::random_device random;
  return (std::uint64_t{random()} << 32U) | random() | 1U;
}

// Block by block: nobody knows how long a damaged file is.
Result<void> copy(const FeedLogSource& source, const std::string& path, FileSystem& files) {
  auto replacement = FileReplacement::begin(files, path, kFileMode);
  if (!replacement) {
    return tl::unexpected(std::move(replacement.error()));
  }
  std::string block;
  for (std::uint64_t offset = 0; offset < source.octets; offset += block.size()) {
    block.resize(std::min<std::uint64_t>(source.block_octets, source.octets - offset));
    const auto read = source.read(offset, block);
    if (!read) {
      return tl::unexpected(read.error());
    }
    if (*read < block.size()) {
      return fail(ErrorCode::kInvalidArgument, path + ": what it is a copy of becomes shorter");
    }
    if (auto written = replacement->append(block); !written) {
      return written;
    }
  }
  return replacement->commit();
}

}  // namespace

EntityLog::EntityLog(std::string path, FileSystem& files, UniqueFd lock)
    : path_(std::move(path)), files_(files), lock_(std::move(lock)) {}

Result<std::unique_ptr<EntityLog>> EntityLog::open(const std::string& folder, FileSystem& files) {
  if (auto made = make_directories(files, folder, kFolderMode); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  const std::string lock_path = folder + "/entities.lock";
  auto lock = files.open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode);
  if (!lock) {
    return tl::unexpected(std::move(lock.error()));
  }
  if (auto locked = files.lock(lock->get()); !locked) {
    return locked.error().code == ErrorCode::kAlreadyExists
               ? fail(ErrorCode::kAlreadyExists,
                      folder + " is used by another meshdns-cp; give each its own --state-dir")
               : fail(lock_path, std::move(locked.error()));
  }
  std::unique_ptr<EntityLog> log(new EntityLog(folder + "/entities.log", files, *std::move(lock)));
  if (auto loaded = log->load(); !loaded) {
    return tl::unexpected(std::move(loaded.error()));
  }
  return log;
}

Result<void> EntityLog::load() {
  const auto source = FeedLogSource::open(files_, path_);
  if (!source && source.error().code == ErrorCode::kNotFound) {
    mended_ = write_anew();
    return {};
  }
  const auto said = source.and_then([this](const FeedLogSource& file) {
    return read_feed_log(file, kFingerprint, [this](const FeedChange& change, std::uint64_t) {
      exchange(std::string(change.name),
               change.kind == FeedChange::Kind::kDrop
                   ? nullptr
                   : std::make_shared<const StoredEntity>(
                         StoredEntity{std::string(change.version), std::string(change.value)}));
    });
  });
  if (!said) {
    return tl::unexpected(said.error());
  }
  const bool is_missing = said->kind == FeedLogKind::kMissing;
  if (said->kind != FeedLogKind::kLog && !is_missing) {
    return fail(ErrorCode::kCorrupt,
                path_ + " is not a log of entities that this version can read; it is left alone");
  }
  cut_octets_ = source->octets - said->end_offset;
  if (is_missing || cut_octets_ > 0) {
    copy_is_due_ = cut_octets_ > 0;
    mended_ = write_anew();
    return {};
  }
  octets_ = base_octets_ = source->octets;
  return files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0).map([this](UniqueFd opened) {
    file_ = std::move(opened);
  });
}

Result<void> EntityLog::store(const std::string& name, std::shared_ptr<const StoredEntity> entity) {
  FeedRecords records;
  if (entity) {
    records.set(name, entity->times, entity->value);
  } else {
    records.drop(name);
  }
  auto before = exchange(name, std::move(entity));
  if (auto stored = in_doubt_ ? write_anew() : append(records.take()); !stored) {
    exchange(name, std::move(before));
    return stored;
  }
  if (octets_ > 2 * base_octets_ + kSlackBytes) {
    std::ignore = write_anew();  // what it would replace has the change, too
  }
  return {};
}

std::shared_ptr<const StoredEntity> EntityLog::exchange(
    const std::string& name, std::shared_ptr<const StoredEntity> entity) {
  auto before = std::exchange(entities_[name], std::move(entity));
  if (entities_[name] == nullptr) {
    entities_.erase(name);
  }
  return before;
}

Result<void> EntityLog::append(const std::string& records) {
  if (auto written = write_all(files_, file_.get(), records); !written) {
    undo();
    return fail(path_, std::move(written.error()));
  }
  if (auto synced = files_.sync(file_.get()); !synced) {
    undo();
    in_doubt_ = true;
    return fail(path_, std::move(synced.error()));
  }
  octets_ += records.size();
  return {};
}

void EntityLog::undo() {
  const auto undone =
      files_.truncate(file_.get(), octets_).and_then([this] { return files_.sync(file_.get()); });
  in_doubt_ = !undone;
}

Result<void> EntityLog::keep_copy() {
  if (!copy_is_due_) {
    return {};
  }
  auto kept = FeedLogSource::open(files_, path_).and_then([this](const FeedLogSource& source) {
    return copy(source, path_ + ".cut", files_);
  });
  copy_is_due_ = !kept;
  return kept;
}

Result<void> EntityLog::write_anew() {
  // Until it has succeeded, nobody knows which file is there.
  in_doubt_ = true;
  if (auto kept = keep_copy(); !kept) {
    return kept;
  }
  auto replacement = FileReplacement::begin(files_, path_, kFileMode);
  if (!replacement) {
    return tl::unexpected(std::move(replacement.error()));
  }
  std::uint64_t octets = 0;
  const auto write = [&](std::string_view data) {
    octets += data.size();
    return replacement->append(data);
  };
  std::string header;
  append_feed_header(kFingerprint, new_generation(), header);
  Result<void> written = write(header);
  FeedRecords records;
  std::size_t pending = 0;
  for (const auto& [name, entity] : entities_) {
    records.set(name, entity->times, entity->value);
    pending += name.size() + entity->value.size();
    if (written && pending > kWriteBytes) {
      pending = 0;
      written = write(records.take());
    }
  }
  written = written.and_then([&] { return write(records.take()); }).and_then([&] {
    return replacement->commit();
  });
  if (!written) {
    return written;
  }
  octets_ = base_octets_ = octets;
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  // What is there is whole, whether it can be appended to or not.
  in_doubt_ = !file;
  if (file) {
    file_ = *std::move(file);
  }
  return {};
}

}  // namespace meshdns::discovery
