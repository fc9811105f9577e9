#include "base/file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file_replacement.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns {
namespace {

constexpr std::size_t kReadChunkBytes = 64UL * 1024;

tl::unexpected<Error> fail_errno(const std::string& what) {
  return tl::unexpected<Error>(errno_error(errno, what));
}

Result<void> check(int status, const std::string& what) {
  if (status != 0) {
    return fail_errno(what);
  }
  return {};
}

Result<void> make_missing_directories(FileSystem& files, const std::string& path, mode_t mode) {
  auto made = files.make_directory(path, mode);
  if (made || made.error().code == ErrorCode::kAlreadyExists) {
    return {};
  }
  const std::string parent = directory_of(path);
  if (made.error().code != ErrorCode::kNotFound || parent == path) {
    return made;
  }
  return make_missing_directories(files, parent, mode).and_then([&]() -> Result<void> {
    auto again = files.make_directory(path, mode);
    if (!again && again.error().code != ErrorCode::kAlreadyExists) {
      return again;
    }
    return {};
  });
}

}  // namespace

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

Error errno_error(int number, const std::string& what) {
  ErrorCode code = ErrorCode::kIo;
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      code = ErrorCode::kNotFound;
      break;
    case EEXIST:
    case EADDRINUSE:
      code = ErrorCode::kAlreadyExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kPermissionDenied;
      break;
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::kNoSpace;
      break;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ECONNREFUSED:
      code = ErrorCode::kNetwork;
      break;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      code = ErrorCode::kExhausted;
      break;
    default:
      break;
  }
  return {code, fmt::format("{}: {}", what, std::generic_category().message(number))};
}

Result<UniqueFd> PosixFileSystem::open(const std::string& path, int flags, mode_t mode) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open(2) is declared so.
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) {
    return fail_errno(fmt::format("cannot open {}", path));
  }
  return UniqueFd(fd);
}

Result<std::size_t> PosixFileSystem::read(int fd, std::span<char> into) {
  ssize_t count = 0;
  do {
    count = ::read(fd, into.data(), into.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    return fail_errno(fmt::format("cannot read from descriptor {}", fd));
  }
  return static_cast<std::size_t>(count);
}

Result<std::size_t> PosixFileSystem::write(int fd, std::string_view data) {
  ssize_t count = 0;
  do {
    count = ::write(fd, data.data(), data.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    return fail_errno(fmt::format("cannot write to descriptor {}", fd));
  }
  return static_cast<std::size_t>(count);
}

Result<std::size_t> PosixFileSystem::read_at(int fd, std::uint64_t offset, std::span<char> into) {
  ssize_t count = 0;
  do {
    count = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    return fail_errno(fmt::format("cannot read from descriptor {}", fd));
  }
  return static_cast<std::size_t>(count);
}

Result<void> PosixFileSystem::sync(int fd) {
  return check(::fsync(fd), fmt::format("cannot sync descriptor {}", fd));
}

Result<void> PosixFileSystem::truncate(int fd, std::uint64_t size_bytes) {
  return check(::ftruncate(fd, static_cast<off_t>(size_bytes)),
               fmt::format("cannot truncate descriptor {} to {} octets", fd, size_bytes));
}

Result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  return check(::rename(from.c_str(), to.c_str()), fmt::format("cannot rename {} to {}", from, to));
}

Result<void> PosixFileSystem::remove(const std::string& path) {
  return check(::unlink(path.c_str()), fmt::format("cannot remove {}", path));
}

Result<void> PosixFileSystem::make_directory(const std::string& path, mode_t mode) {
  return check(::mkdir(path.c_str(), mode), fmt::format("cannot make the folder {}", path));
}

Result<void> PosixFileSystem::lock(int fd) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    return {};
  }
  if (errno == EWOULDBLOCK) {
    return fail(ErrorCode::kAlreadyExists, "another process holds the lock");
  }
  return fail_errno(fmt::format("cannot lock descriptor {}", fd));
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), &::closedir);
  if (!stream) {
    return fail_errno(fmt::format("cannot list {}", directory));
  }
  std::vector<std::string> names;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own.
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") {
      names.push_back(std::move(name));
    }
  }
  std::ranges::sort(names);
  return names;
}

Result<RegularFile> open_regular(FileSystem& files, const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  auto file = files.open(path, O_RDONLY | O_NONBLOCK, 0);
  if (!file) {
    return tl::unexpected(file.error());
  }
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) {
    return fail_errno(fmt::format("cannot stat {}", path));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a regular file", path));
  }
  return RegularFile{.fd = *std::move(file),
                     .octets = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0))};
}

Result<std::string> read_file(FileSystem& files, const std::string& path, std::size_t limit_bytes) {
  const auto file = open_regular(files, path);
  if (!file) {
    return tl::unexpected(file.error());
  }
  const auto too_long = [&] {
    return fail(ErrorCode::kExhausted,
                fmt::format("{} is longer than the limit of {} octets", path, limit_bytes));
  };
  // What is seen to be too long is not read; a file may grow meanwhile, or not say how long it is.
  if (file->octets > limit_bytes) {
    return too_long();
  }
  std::string content;
  while (true) {
    const std::size_t old_size = content.size();
    content.resize(old_size + kReadChunkBytes);
    const auto count = files.read(file->fd.get(), std::span(content).subspan(old_size));
    if (!count) {
      return fail(path, count.error());
    }
    content.resize(old_size + *count);
    if (content.size() > limit_bytes) {
      return too_long();
    }
    if (*count == 0) {
      return content;
    }
  }
}

Result<std::size_t> read_all_at(FileSystem& files, int fd, std::uint64_t offset,
                                std::span<char> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    const auto count = files.read_at(fd, offset + filled, into.subspan(filled));
    if (!count) {
      return tl::unexpected(count.error());
    }
    if (*count == 0) {
      break;
    }
    filled += *count;
  }
  return filled;
}

Result<void> write_all(FileSystem& files, int fd, std::string_view data) {
  while (!data.empty()) {
    const auto count = files.write(fd, data);
    if (!count) {
      return tl::unexpected(count.error());
    }
    if (*count == 0) {
      return fail(ErrorCode::kIo, fmt::format("descriptor {} takes no more data", fd));
    }
    data.remove_prefix(*count);
  }
  return {};
}

Result<void> sync_directory(FileSystem& files, const std::string& directory) {
  const auto folder = files.open(directory, O_RDONLY | O_DIRECTORY, 0);
  if (!folder) {
    return tl::unexpected(folder.error());
  }
  return files.sync(folder->get());
}

Result<void> replace_file(FileSystem& files, const std::string& path, std::string_view data,
                          mode_t mode) {
  auto file = FileReplacement::begin(files, path, mode);
  if (!file) {
    return tl::unexpected(file.error());
  }
  return file->append(data).and_then([&] { return file->commit(); });
}

Result<void> make_directories(FileSystem& files, const std::string& path, mode_t mode) {
  auto made = make_missing_directories(files, path, mode);
  if (!made) {
    return made;
  }
  // Best effort, up to the root: what is there already was perhaps made by a process that ended
  // before it could sync, and what is not ours to read is not ours to make durable.
  std::string above = path;
  do {
    above = directory_of(above);
    std::ignore = sync_directory(files, above);
  } while (above != "/" && above != ".");
  return {};
}

}  // namespace meshdns
