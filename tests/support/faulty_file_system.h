// A real file system in which the test makes chosen steps fail.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace meshdns::support {

enum class FileStep : std::uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kRename,
  kRemove,
  kMakeDirectory,
  kLock,
  kList
};

// Passes every call to PosixFileSystem unless `fault` returns an errno for it. Thread-safe when
// `fault` is.
class FaultyFileSystem final : public FileSystem {
 public:
  // `index` counts all calls from 0. Returns 0 to let the step happen, else the errno it fails
  // with.
  using Fault = std::function<int(FileStep step, std::uint64_t index)>;

  // Every step succeeds until set_fault().
  FaultyFileSystem() = default;
  // Of the steps from now on; one that another thread is in the middle of ends as it began.
  void set_fault(Fault fault);
  // A failing write still writes this many octets first, as a full disk does.
  void set_torn_write_bytes(std::size_t bytes) { torn_write_bytes_ = bytes; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

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

 private:
  // The errno that this step must fail with, or 0.
  int check(FileStep step);

  PosixFileSystem real_;
  std::mutex mutex_;  // guards the next
  std::shared_ptr<const Fault> fault_ = std::make_shared<Fault>();
  std::atomic<std::uint64_t> steps_{0};
  std::atomic<std::size_t> torn_write_bytes_{0};
};

}  // namespace meshdns::support
