#include "discovery/control/last_good_files.h"

#include <cstddef>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>
#include <sys/types.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::discovery {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
// Of a file of Dataplanes, and of the line before it.
constexpr std::size_t kMaxBytes = (std::size_t{64} << 20U) + 64UL * 1024;
constexpr const char* kLock = ".lock";

}  // namespace

LastGoodFiles::LastGoodFiles(std::string folder, const std::string& of, FileSystem& files,
                             Logger& logger, UniqueFd lock, std::set<std::string> kept)
    : folder_(std::move(folder)),
      of_(escape_text(of)),
      files_(files),
      logger_(logger),
      lock_(std::move(lock)),
      kept_(std::move(kept)) {}

Result<std::unique_ptr<LastGoodFiles>> LastGoodFiles::open(const std::string& folder,
                                                           const std::string& of, FileSystem& files,
                                                           Logger& logger) {
  if (auto made = make_directories(files, folder, kFolderMode); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  const std::string lock_path = folder + "/" + kLock;
  auto lock = files.open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode);
  if (!lock) {
    return tl::unexpected(std::move(lock.error()));
  }
  if (auto locked = files.lock(lock->get()); !locked) {
    return fail(lock_path, std::move(locked.error()));
  }
  const auto listed = files.list(folder);
  if (!listed) {
    return tl::unexpected(listed.error());
  }
  std::set<std::string> kept(listed->begin(), listed->end());
  kept.erase(kLock);
  return std::unique_ptr<LastGoodFiles>(
      new LastGoodFiles(folder, of, files, logger, *std::move(lock), std::move(kept)));
}

std::string LastGoodFiles::first_line_of(const std::string& name) const {
  return "# Written by meshdns-cp: the last good form of " + of_ + "/" + escape_text(name) + "\n";
}

std::optional<std::string> LastGoodFiles::read(const std::string& name) const {
  if (!kept_.contains(name)) {
    return std::nullopt;
  }
  const auto text = read_file(files_, path_of(name), kMaxBytes);
  if (!text) {
    logger_.warn("what a dataplane file held before is not known: {}",
                 escape_text(text.error().message));
    return std::nullopt;
  }
  const std::string first_line = first_line_of(name);
  return text->starts_with(first_line) ? std::optional(text->substr(first_line.size()))
                                       : std::nullopt;
}

bool LastGoodFiles::has(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return kept_.contains(name) && !failed_.contains(name);
}

void LastGoodFiles::keep(const std::string& name, std::string text) {
  kept_.insert(name);
  {
    const std::lock_guard lock(mutex_);
    failed_.erase(name);
  }
  boost::asio::post(disk_, [this, name, content = first_line_of(name) + std::move(text)] {
    write(name, content);
  });
}

void LastGoodFiles::write(const std::string& name, const std::string& content) {
  if (const auto kept = replace_file(files_, path_of(name), content, kFileMode); !kept) {
    if (failing_.insert(name).second) {
      logger_.error(
          "what a dataplane file held before its mistake is not known after a restart: {}",
          escape_text(kept.error().message));
    }
    const std::lock_guard lock(mutex_);
    failed_.insert(name);
  } else if (failing_.erase(name) > 0) {
    logger_.info("what a dataplane file held before its mistake is kept file={}",
                 escape_name(name));
  }
}

void LastGoodFiles::drop(const std::string& name) {
  if (kept_.erase(name) > 0) {
    boost::asio::post(disk_, [this, name] { remove(name); });
  }
}

void LastGoodFiles::remove(const std::string& name) {
  failing_.erase(name);
  if (const auto removed = files_.remove(path_of(name));
      !removed && removed.error().code != ErrorCode::kNotFound) {
    logger_.warn("{}", escape_text(removed.error().message));
  }
}

void LastGoodFiles::drop_others(const std::set<std::string>& names) {
  for (const std::string& name : std::set<std::string>(kept_)) {
    if (!names.contains(name)) {
      drop(name);
    }
  }
}

}  // namespace meshdns::discovery
