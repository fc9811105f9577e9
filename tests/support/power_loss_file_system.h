// A file system in memory that loses power: what was not synced may be gone, whole, torn or as
// zeros, and what was synced is there.
//
// It promises no more than POSIX does: the content of a file is on disk after sync() of the file, a
// name after sync() of its folder, and neither brings the other along. Of the rest a restart keeps
// what the seed says. Thread-safe. Renames stay within a folder; a lock is always given.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::support {

class PowerLossFileSystem final : public FileSystem {
 public:
  explicit PowerLossFileSystem(std::uint64_t seed);
  PowerLossFileSystem(const PowerLossFileSystem&) = delete;
  PowerLossFileSystem& operator=(const PowerLossFileSystem&) = delete;
  ~PowerLossFileSystem() override;

  // The power goes off in the given step from now on, counted from 0: every step from then fails.
  void lose_power_at(std::uint64_t step);
  [[nodiscard]] bool has_power() const;
  // The power comes back, or goes and comes back: descriptors are gone, and of what was not synced
  // only some is left. No other thread may use the file system meanwhile.
  void restart();
  // Only the processes die: every write stays as it is, synced or not.
  void kill_processes();

  // What is in a file that exists.
  [[nodiscard]] std::string content(const std::string& path) const;
  // Overwrites it, synced.
  void set_content(const std::string& path, const std::string& content);

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
  struct Node;
  struct OpenFile;
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  // False when the power is off, from this step on or before.
  [[nodiscard]] bool step();
  [[nodiscard]] std::shared_ptr<Node> find(std::string_view path) const;
  [[nodiscard]] Result<std::shared_ptr<Node>> folder_of(const std::string& path) const;
  // Leaves of a file or folder, and of what is in it, what a restart finds.
  void settle(Node& node);
  void settle_content(Node& node);
  // A random number below `limit`, which is not 0.
  [[nodiscard]] std::uint64_t random(std::uint64_t limit);

  mutable std::mutex mutex_;  // guards all below
  std::mt19937_64 engine_;
  std::shared_ptr<Node> root_;
  std::map<int, OpenFile> open_files_;
  std::uint64_t steps_ = 0;
  std::uint64_t last_step_ = UINT64_MAX;  // the one in which the power goes
};

}  // namespace meshdns::support
