#include "discovery/control/dataplane_directory.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/dataplane_yaml.h"

namespace meshdns::discovery {
namespace {

constexpr std::uint32_t kWatchedEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                         IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr int kReadAttempts = 3;

bool is_dataplane_file(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

}  // namespace

DataplaneDirectory::DataplaneDirectory(std::string path, FileSystem& files, DataplaneStore& store,
                                       Logger& logger)
    : path_(std::move(path)), files_(files), store_(store), logger_(logger) {}

DataplaneDirectory::Signature DataplaneDirectory::signature_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return {};
  }
  return {status.st_dev, status.st_ino, status.st_size,
          status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec};
}

Result<std::set<std::string>> DataplaneDirectory::names() const {
  return files_.list(path_).map([](const std::vector<std::string>& listed) {
    std::set<std::string> names;
    for (const std::string& name : listed) {
      if (is_dataplane_file(name)) {
        names.insert(name);
      }
    }
    return names;
  });
}

Result<void> DataplaneDirectory::load() {
  const auto listed = names();
  if (!listed) {
    return tl::unexpected(listed.error());
  }
  for (const std::string& name : *listed) {
    read(name);
  }
  store_.commit();
  return {};
}

Result<void> DataplaneDirectory::watch() {
  watch_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch_.valid()) {
    return tl::unexpected(errno_error(errno, "cannot watch folders"));
  }
  watch_descriptor_ = ::inotify_add_watch(watch_.get(), path_.c_str(), kWatchedEvents);
  if (watch_descriptor_ < 0) {
    return tl::unexpected(errno_error(errno, fmt::format("cannot watch {}", path_)));
  }
  return {};
}

void DataplaneDirectory::on_events() {
  alignas(inotify_event) std::array<char, 16UL * 1024> buffer{};
  std::set<std::string> changed;
  bool compare_all = false;
  while (const auto count = files_.read(watch_.get(), buffer)) {
    if (*count == 0) {
      break;
    }
    for (std::size_t offset = 0; offset < *count;) {
      inotify_event event{};
      std::memcpy(&event, &buffer.at(offset), sizeof event);
      const std::string name = event.len == 0 ? "" : std::string(&buffer.at(offset + sizeof event));
      if (is_dataplane_file(name)) {
        changed.insert(name);
      } else if (name.starts_with("..") || (event.mask & IN_Q_OVERFLOW) != 0) {
        compare_all = true;  // a mounted ConfigMap is swapped by renaming "..data"
      }
      if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
        watch_descriptor_ = -1;
      }
      offset += sizeof event + event.len;
    }
  }
  for (const std::string& name : changed) {
    if (signature_of(path_ + "/" + name).size < 0) {
      forget(name);
    } else {
      read(name);
    }
  }
  if (compare_all) {
    compare(false);
  }
  store_.commit();
}

void DataplaneDirectory::rescan() {
  if (watch_descriptor_ < 0 && watch_.valid()) {
    watch_descriptor_ = ::inotify_add_watch(watch_.get(), path_.c_str(), kWatchedEvents);
  }
  compare(true);
  store_.commit();
}

void DataplaneDirectory::compare(bool settled) {
  const auto listed = names();
  if (!listed) {
    if (folder_problem_ != listed.error().message) {
      folder_problem_ = listed.error().message;
      logger_.error("{}; what it held stays", folder_problem_);
    }
    return;
  }
  folder_problem_.clear();
  std::vector<std::string> gone;
  for (const auto& [name, file] : known_) {
    if (!listed->contains(name)) {
      gone.push_back(name);
    }
  }
  for (const std::string& name : gone) {
    forget(name);
  }
  for (const std::string& name : *listed) {
    const Signature now = signature_of(path_ + "/" + name);
    File& file = known_[name];
    const bool has_settled = !settled || file.seen == now;
    file.seen = now;
    if (has_settled && file.read != now) {
      read(name);
    }
  }
}

void DataplaneDirectory::forget(const std::string& name) {
  if (known_.erase(name) > 0) {
    logger_.info("a dataplane file is gone file={}", escape_name(name));
    store_.set_file(path_ + "/" + name, {});
  }
}

void DataplaneDirectory::read(const std::string& name) {
  const std::string path = path_ + "/" + name;
  File& file = known_[name];
  Result<std::string> content = fail(ErrorCode::kUnavailable, path + " changes while it is read");
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const Signature before = signature_of(path);
    auto text = read_file(files_, path, kMaxYamlBytes);
    if (!text || signature_of(path) == before) {
      file.read = before;
      content = std::move(text);
      break;
    }
  }
  if (!content) {
    report(name, {content.error().message});
    return;
  }
  ParsedDataplanes parsed = parse_dataplanes(*content);
  if (content->empty() && file.has_entities) {
    parsed.is_broken = true;
    parsed.problems.push_back({1, "the file has become empty; remove it to remove its dataplanes"});
  }
  std::vector<std::string> problems;
  for (const YamlProblem& problem : parsed.problems) {
    problems.push_back(fmt::format("{}:{}: {}", path, problem.line, problem.reason));
  }
  report(name, std::move(problems));
  if (parsed.is_broken && file.has_entities) {
    return;
  }
  std::vector<SourcedDataplane> entities;
  for (auto& item : parsed.dataplanes) {
    entities.push_back({std::move(item.dataplane), item.line});
  }
  file.has_entities = !entities.empty();
  store_.set_file(path, std::move(entities));
}

void DataplaneDirectory::report(const std::string& name, std::vector<std::string> problems) {
  File& file = known_[name];
  if (problems != file.problems) {
    for (const std::string& problem : problems) {
      logger_.error("{}", problem);
    }
    file.problems = std::move(problems);
  }
}

std::vector<std::string> DataplaneDirectory::problems() const {
  std::vector<std::string> all;
  if (!folder_problem_.empty()) {
    all.push_back(folder_problem_);
  }
  for (const auto& [name, file] : known_) {
    all.insert(all.end(), file.problems.begin(), file.problems.end());
  }
  const auto duplicates = store_.problems();
  all.insert(all.end(), duplicates.begin(), duplicates.end());
  return all;
}

}  // namespace meshdns::discovery
