#include "base/folder_watch.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/file_system.h"
#include "base/result.h"

namespace meshdns {
namespace {

constexpr std::uint32_t kWatchedEvents =
    IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
constexpr int kReadAttempts = 3;

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

}  // namespace

FileSignature FileSignature::of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return {};
  }
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

Result<std::string> read_version(FileSystem& files, const std::string& path,
                                 std::size_t limit_bytes, FileSignature& version) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    version = FileSignature::of(path);
    auto text = read_file(files, path, limit_bytes);
    if (!text || FileSignature::of(path) == version) {
      return text;
    }
  }
  return fail(ErrorCode::kUnavailable, fmt::format("{} changes while it is read", path));
}

FolderWatch::FolderWatch(std::string path, FileSystem& files,
                         std::function<bool(std::string_view)> is_wanted)
    : path_(std::move(path)), files_(files), is_wanted_(std::move(is_wanted)) {}

Result<void> FolderWatch::start() {
  watch_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch_.valid()) {
    return tl::unexpected(errno_error(errno, "cannot watch folders"));
  }
  if (!follow() && descriptor_ < 0) {
    return tl::unexpected(errno_error(errno, fmt::format("cannot watch {}", path_)));
  }
  return {};
}

bool FolderWatch::follow() {
  const FileSignature folder = FileSignature::of(path_);
  const bool is_watched =
      descriptor_ >= 0 && folder.device == watched_.device && folder.inode == watched_.inode;
  if (is_watched || !watch_.valid()) {
    return false;
  }
  // The folder may have been replaced, also behind a symbolic link, while the old one lives on.
  if (descriptor_ >= 0) {
    ::inotify_rm_watch(watch_.get(), descriptor_);
  }
  descriptor_ = ::inotify_add_watch(watch_.get(), path_.c_str(), kWatchedEvents);
  watched_ = folder;
  return descriptor_ >= 0;
}

FolderEvents FolderWatch::take() {
  FolderEvents events;
  if (!watch_.valid()) {
    return events;
  }
  alignas(inotify_event) std::array<char, 16UL * 1024> buffer{};
  while (const auto count = files_.read(watch_.get(), buffer)) {
    if (*count == 0) {
      break;
    }
    for (std::size_t offset = 0; offset < *count;) {
      inotify_event event{};
      std::memcpy(&event, &buffer.at(offset), sizeof event);
      const std::string name = event.len == 0 ? "" : std::string(&buffer.at(offset + sizeof event));
      note(event, name, events);
      offset += sizeof event + event.len;
    }
  }
  return events;
}

void FolderWatch::note(const inotify_event& event, const std::string& name, FolderEvents& events) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    events.is_overflow = true;
    return;
  }
  if (event.wd != descriptor_) {
    return;  // of a folder that was replaced
  }
  if ((event.mask & IN_IGNORED) != 0) {
    descriptor_ = -1;  // the folder is deleted; one that is renamed keeps its watch
    return;
  }
  if (!is_wanted_(name)) {
    // A mounted ConfigMap is swapped by renaming "..data", which its files are links through.
    events.is_everything = events.is_everything || name.starts_with("..");
    return;
  }
  if ((event.mask & IN_MODIFY) != 0) {
    events.written.insert(name);
    events.complete.erase(name);
  } else {
    const bool is_renamed = (event.mask & IN_MOVED_TO) != 0;
    events.complete.insert_or_assign(name, is_renamed ? Written::kWhole : Written::kInPlace);
    events.written.erase(name);
  }
}

}  // namespace meshdns
