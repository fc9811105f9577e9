#include "tests/support/power_loss_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::support {
namespace {

tl::unexpected<Error> failure(int number, const std::string& what) {
  return tl::unexpected(errno_error(number, what));
}

tl::unexpected<Error> no_power() { return failure(EIO, "the power is off"); }

std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.rfind('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::size_t copy_from(std::string_view content, std::uint64_t offset, std::span<char> into) {
  const std::string_view rest = content.substr(std::min(offset, content.size()));
  const std::size_t count = std::min(rest.size(), into.size());
  std::ranges::copy(rest.substr(0, count), into.begin());
  return count;
}

}  // namespace

// A file or a folder. What is pending is what no sync has made durable, in order.
struct PowerLossFileSystem::Node {
  struct Write {
    std::uint64_t offset = 0;
    std::string data;
    bool is_truncation = false;
  };

  bool is_folder = false;
  std::string content;
  std::string durable_content;
  std::vector<Write> pending_writes;
  Names names;
  // The names after each change since the folder's last sync; the first is the synced one.
  std::vector<Names> past_names{Names{}};
};

struct PowerLossFileSystem::OpenFile {
  std::shared_ptr<Node> node;
  std::size_t offset = 0;  // of reads; every write appends
};

PowerLossFileSystem::PowerLossFileSystem(std::uint64_t seed)
    : engine_(seed), root_(std::make_shared<Node>()) {
  root_->is_folder = true;
}

PowerLossFileSystem::~PowerLossFileSystem() = default;

void PowerLossFileSystem::lose_power_at(std::uint64_t step) {
  const std::lock_guard lock(mutex_);
  last_step_ = steps_ + step;
}

bool PowerLossFileSystem::has_power() const {
  const std::lock_guard lock(mutex_);
  return steps_ <= last_step_;
}

bool PowerLossFileSystem::step() { return steps_++ < last_step_; }

std::uint64_t PowerLossFileSystem::random(std::uint64_t limit) { return engine_() % limit; }

void PowerLossFileSystem::restart() {
  kill_processes();
  const std::lock_guard lock(mutex_);
  settle(*root_);
}

void PowerLossFileSystem::kill_processes() {
  const std::lock_guard lock(mutex_);
  open_files_.clear();
  last_step_ = UINT64_MAX;
}

void PowerLossFileSystem::settle(Node& node) {
  if (!node.is_folder) {
    settle_content(node);
    return;
  }
  node.names = node.past_names[random(node.past_names.size())];
  node.past_names = {node.names};
  for (const auto& [name, child] : node.names) {
    settle(*child);
  }
}

void PowerLossFileSystem::settle_content(Node& node) {
  std::string content = node.durable_content;
  const bool in_order = random(2) == 0;
  std::size_t kept = random(node.pending_writes.size() + 1);
  for (const Node::Write& write : node.pending_writes) {
    if (in_order ? kept-- == 0 : random(2) == 0) {
      if (in_order) {
        break;
      }
      continue;
    }
    if (write.is_truncation) {
      content.resize(write.offset);
      continue;
    }
    // The start of the data, and of the rest its length alone or nothing.
    const std::size_t written = random(3) == 0 ? random(write.data.size() + 1) : write.data.size();
    const std::size_t length = random(2) == 0 ? write.data.size() : written;
    content.resize(std::max(content.size(), write.offset + length), '\0');
    content.replace(write.offset, written, write.data, 0, written);
  }
  node.content = node.durable_content = content;
  node.pending_writes.clear();
}

std::shared_ptr<PowerLossFileSystem::Node> PowerLossFileSystem::find(std::string_view path) const {
  std::shared_ptr<Node> node = root_;
  while (!path.empty() && node) {
    path.remove_prefix(1);
    const auto slash = std::min(path.find('/'), path.size());
    const auto name = std::string(path.substr(0, slash));
    path.remove_prefix(slash);
    if (!name.empty()) {
      const auto child = node->names.find(name);
      node = child == node->names.end() ? nullptr : child->second;
    }
  }
  return node;
}

Result<std::shared_ptr<PowerLossFileSystem::Node>> PowerLossFileSystem::folder_of(
    const std::string& path) const {
  auto folder = find(split(path).first);
  if (!folder || !folder->is_folder) {
    return failure(ENOENT, path);
  }
  return folder;
}

std::string PowerLossFileSystem::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto node = find(path);
  if (!node) {
    throw std::runtime_error("there is no " + path);
  }
  return node->content;
}

void PowerLossFileSystem::set_content(const std::string& path, const std::string& content) {
  const std::lock_guard lock(mutex_);
  const auto node = find(path);
  if (!node) {
    throw std::runtime_error("there is no " + path);
  }
  node->content = node->durable_content = content;
  node->pending_writes.clear();
}

Result<UniqueFd> PowerLossFileSystem::open(const std::string& path, int flags, mode_t /*mode*/) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  auto node = find(path);
  if (!node && (flags & O_CREAT) != 0) {
    auto folder = folder_of(path);
    if (!folder) {
      return tl::unexpected(folder.error());
    }
    node = std::make_shared<Node>();
    (*folder)->names[split(path).second] = node;
    (*folder)->past_names.push_back((*folder)->names);
  }
  if (!node) {
    return failure(ENOENT, "cannot open " + path);
  }
  if ((flags & O_TRUNC) != 0) {
    node->content.clear();
    node->pending_writes.push_back({.offset = 0, .data = "", .is_truncation = true});
  }
  // A descriptor of its own number, of a regular file as far as fstat(2) knows.
  UniqueFd fd(::memfd_create("power-loss", MFD_CLOEXEC));
  open_files_[fd.get()] = {node};
  return fd;
}

Result<std::size_t> PowerLossFileSystem::read(int fd, std::span<char> into) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  OpenFile& file = open_files_.at(fd);
  const std::size_t count = copy_from(file.node->content, file.offset, into);
  file.offset += count;
  return count;
}

Result<std::size_t> PowerLossFileSystem::read_at(int fd, std::uint64_t offset,
                                                 std::span<char> into) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  return copy_from(open_files_.at(fd).node->content, offset, into);
}

Result<std::size_t> PowerLossFileSystem::write(int fd, std::string_view data) {
  const std::lock_guard lock(mutex_);
  // A write may be short, and the power may go in the middle of it.
  const bool is_short = random(8) == 0;
  const bool goes_on = step();
  if (!goes_on && steps_ > last_step_ + 1) {
    return no_power();
  }
  if (is_short || !goes_on) {
    data = data.substr(0, 1 + random(data.size()));
  }
  Node& node = *open_files_.at(fd).node;
  node.pending_writes.push_back({node.content.size(), std::string(data)});
  node.content += data;
  if (!goes_on) {
    return no_power();
  }
  return data.size();
}

Result<void> PowerLossFileSystem::sync(int fd) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  Node& node = *open_files_.at(fd).node;
  node.durable_content = node.content;
  node.pending_writes.clear();
  node.past_names = {node.names};
  return {};
}

Result<void> PowerLossFileSystem::truncate(int fd, std::uint64_t size_bytes) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  Node& node = *open_files_.at(fd).node;
  node.content.resize(size_bytes);
  node.pending_writes.push_back({.offset = size_bytes, .data = "", .is_truncation = true});
  return {};
}

Result<void> PowerLossFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  const auto folder = folder_of(from);
  const auto node = find(from);
  if (!folder || !node || split(from).first != split(to).first) {
    return failure(ENOENT, "cannot rename " + from);
  }
  (*folder)->names.erase(split(from).second);
  (*folder)->names[split(to).second] = node;
  (*folder)->past_names.push_back((*folder)->names);
  return {};
}

Result<void> PowerLossFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  const auto folder = folder_of(path);
  if (!folder || (*folder)->names.erase(split(path).second) == 0) {
    return failure(ENOENT, "cannot remove " + path);
  }
  (*folder)->past_names.push_back((*folder)->names);
  return {};
}

Result<void> PowerLossFileSystem::make_directory(const std::string& path, mode_t /*mode*/) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  const auto folder = folder_of(path);
  if (!folder || find(path)) {
    return failure(folder ? EEXIST : ENOENT, "cannot make the folder " + path);
  }
  const auto node = std::make_shared<Node>();
  node->is_folder = true;
  (*folder)->names[split(path).second] = node;
  (*folder)->past_names.push_back((*folder)->names);
  return {};
}

Result<void> PowerLossFileSystem::lock(int /*fd*/) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  return {};
}

Result<std::vector<std::string>> PowerLossFileSystem::list(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (!step()) {
    return no_power();
  }
  const auto node = find(directory);
  if (!node || !node->is_folder) {
    return failure(ENOENT, "cannot list " + directory);
  }
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) {
    names.push_back(name);
  }
  return names;
}

}  // namespace meshdns::support
