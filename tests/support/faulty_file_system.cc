#include "tests/support/faulty_file_system.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::support {

void FaultyFileSystem::set_fault(Fault fault) {
  auto next = std::make_shared<const Fault>(std::move(fault));
  const std::lock_guard lock(mutex_);
  fault_ = std::move(next);
}

int FaultyFileSystem::check(FileStep step) {
  const std::uint64_t index = steps_.fetch_add(1);
  std::unique_lock lock(mutex_);
  const auto fault = fault_;
  lock.unlock();  // it may take as long as it likes
  return *fault ? (*fault)(step, index) : 0;
}

Result<UniqueFd> FaultyFileSystem::open(const std::string& path, int flags, mode_t mode) {
  if (const int error = check(FileStep::kOpen)) {
    return tl::unexpected(errno_error(error, "cannot open " + path));
  }
  return real_.open(path, flags, mode);
}

Result<std::size_t> FaultyFileSystem::read(int fd, std::span<char> into) {
  if (const int error = check(FileStep::kRead)) {
    return tl::unexpected(errno_error(error, "cannot read"));
  }
  return real_.read(fd, into);
}

Result<std::size_t> FaultyFileSystem::write(int fd, std::string_view data) {
  if (const int error = check(FileStep::kWrite)) {
    std::ignore = real_.write(fd, data.substr(0, std::min(data.size(), torn_write_bytes_.load())));
    return tl::unexpected(errno_error(error, "cannot write"));
  }
  return real_.write(fd, data);
}

Result<std::size_t> FaultyFileSystem::read_at(int fd, std::uint64_t offset, std::span<char> into) {
  if (const int error = check(FileStep::kRead)) {
    return tl::unexpected(errno_error(error, "cannot read"));
  }
  return real_.read_at(fd, offset, into);
}

Result<void> FaultyFileSystem::sync(int fd) {
  if (const int error = check(FileStep::kSync)) {
    return tl::unexpected(errno_error(error, "cannot sync"));
  }
  return real_.sync(fd);
}

Result<void> FaultyFileSystem::truncate(int fd, std::uint64_t size_bytes) {
  if (const int error = check(FileStep::kTruncate)) {
    return tl::unexpected(errno_error(error, "cannot truncate"));
  }
  return real_.truncate(fd, size_bytes);
}

Result<void> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  if (const int error = check(FileStep::kRename)) {
    return tl::unexpected(errno_error(error, "cannot rename " + from));
  }
  return real_.rename(from, to);
}

Result<void> FaultyFileSystem::remove(const std::string& path) {
  if (const int error = check(FileStep::kRemove)) {
    return tl::unexpected(errno_error(error, "cannot remove " + path));
  }
  return real_.remove(path);
}

Result<void> FaultyFileSystem::make_directory(const std::string& path, mode_t mode) {
  if (const int error = check(FileStep::kMakeDirectory)) {
    return tl::unexpected(errno_error(error, "cannot make the folder " + path));
  }
  return real_.make_directory(path, mode);
}

Result<void> FaultyFileSystem::lock(int fd) {
  if (const int error = check(FileStep::kLock)) {
    return tl::unexpected(errno_error(error, "cannot lock"));
  }
  return real_.lock(fd);
}

Result<std::vector<std::string>> FaultyFileSystem::list(const std::string& directory) {
  if (const int error = check(FileStep::kList)) {
    return tl::unexpected(errno_error(error, "cannot list " + directory));
  }
  return real_.list(directory);
}

}  // namespace meshdns::support
