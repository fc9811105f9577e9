// The seam for files: everything meshdns does to a disk goes through FileSystem, so that a test can
// make any step fail.
//
// Errors name the path (or the descriptor) and the reason. Thread-safe as the system calls are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns {

class FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  // open(2); O_CLOEXEC is always added. Pass O_NOFOLLOW for files in a state folder.
  [[nodiscard]] virtual Result<UniqueFd> open(const std::string& path, int flags, mode_t mode) = 0;
  // One read(2) or write(2), EINTR retried; may be short. 0 octets read is the end of the file.
  [[nodiscard]] virtual Result<std::size_t> read(int fd, std::span<char> into) = 0;
  [[nodiscard]] virtual Result<std::size_t> write(int fd, std::string_view data) = 0;
  // One pread(2) in the same way: of what stands from an offset on.
  [[nodiscard]] virtual Result<std::size_t> read_at(int fd, std::uint64_t offset,
                                                    std::span<char> into) = 0;
  [[nodiscard]] virtual Result<void> sync(int fd) = 0;  // fsync(2)
  [[nodiscard]] virtual Result<void> truncate(int fd, std::uint64_t size_bytes) = 0;
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Result<void> remove(const std::string& path) = 0;
  [[nodiscard]] virtual Result<void> make_directory(const std::string& path, mode_t mode) = 0;
  // A whole-file write lock that dies with its process and its open file description.
  // kAlreadyExists when another holds it.
  [[nodiscard]] virtual Result<void> lock(int fd) = 0;
  // Names in a folder, sorted, without "." and "..".
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
};

// The real one.
class PosixFileSystem final : public FileSystem {
 public:
  [[nodiscard]] Result<UniqueFd> open(const std::string& path, int flags, mode_t mode) override;
  [[nodiscard]] Result<std::size_t> read(int fd, std::span<char> into) override;
  [[nodiscard]] Result<std::size_t> write(int fd, std::string_view data) override;
  [[nodiscard]] Result<std::size_t> read_at(int fd, std::uint64_t offset,
                                            std::span<char> into) override;
  [[nodiscard]] Result<void> sync(int fd) override;
  [[nodiscard]] Result<void> truncate(int fd, std::uint64_t size_bytes) override;
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Result<void> remove(const std::string& path) override;
  [[nodiscard]] Result<void> make_directory(const std::string& path, mode_t mode) override;
  [[nodiscard]] Result<void> lock(int fd) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) override;
};

// A regular file that was opened for reading.
struct RegularFile {
  UniqueFd fd;
  std::uint64_t octets = 0;  // when it was opened
};

// kInvalidArgument when it is no regular file.
[[nodiscard]] Result<RegularFile> open_regular(FileSystem& files, const std::string& path);

// The whole of a regular file; kExhausted when it is longer than `limit_bytes`, kInvalidArgument
// when it is no regular file.
[[nodiscard]] Result<std::string> read_file(FileSystem& files, const std::string& path,
                                            std::size_t limit_bytes);

// Fills `into` with what stands from `offset` on, however many pread(2) calls that takes; with less
// where the file ends before.
[[nodiscard]] Result<std::size_t> read_all_at(FileSystem& files, int fd, std::uint64_t offset,
                                              std::span<char> into);

// Writes all of `data`, however many write(2) calls that takes.
[[nodiscard]] Result<void> write_all(FileSystem& files, int fd, std::string_view data);

// The folder that `path` is in; "." where it names none.
[[nodiscard]] std::string directory_of(const std::string& path);

// Makes a rename or a new file in `directory` durable.
[[nodiscard]] Result<void> sync_directory(FileSystem& files, const std::string& directory);

// Replaces `path` so that after a crash it holds the old content or the new one, whole: a temporary
// file beside it, fsync, rename, fsync of the folder. On failure the old file is untouched.
[[nodiscard]] Result<void> replace_file(FileSystem& files, const std::string& path,
                                        std::string_view data, mode_t mode);

// `mkdir -p`, and what it makes is durable: an existing folder is fine.
[[nodiscard]] Result<void> make_directories(FileSystem& files, const std::string& path,
                                            mode_t mode);

}  // namespace meshdns
