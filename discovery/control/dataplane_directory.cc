#include "discovery/control/dataplane_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/folder_watch.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/last_good_files.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kMaxLoggedProblems = 20;  // of one file at a time

bool is_dataplane_file(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

// Whether a file that could not be read may be readable the next time though it is the same file.
bool may_pass(ErrorCode code) {
  return code != ErrorCode::kExhausted && code != ErrorCode::kInvalidArgument &&
         code != ErrorCode::kPermissionDenied;
}

// A dangling link exists; as a file that cannot be read it keeps what it held.
bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 || errno != ENOENT;
}

// A line that names a file, whose name may hold anything, as one line. What a document says is
// escaped already.
std::string one_line(std::string text) {
  std::ranges::replace_if(text, [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; }, '?');
  return text;
}

}  // namespace

DataplaneDirectory::DataplaneDirectory(std::string path, FileSystem& files, const Clock& clock,
                                       DataplaneStore& store, Logger& logger)
    : path_(std::move(path)),
      files_(files),
      clock_(clock),
      store_(store),
      logger_(logger),
      watch_(path_, files, is_dataplane_file) {}

Result<std::set<std::string>> DataplaneDirectory::names() {
  const auto listed = files_.list(path_);
  if (!listed) {
    return tl::unexpected(listed.error());
  }
  std::set<std::string> names;
  std::ranges::copy_if(*listed, std::inserter(names, names.end()), is_dataplane_file);
  if (names.empty() && is_unfilled_) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{} is another folder than before, in which there is no file", path_));
  }
  is_unfilled_ = false;
  return names;
}

Result<void> DataplaneDirectory::load() {
  const auto listed = names();
  if (!listed) {
    return tl::unexpected(listed.error());
  }
  if (last_good_ != nullptr && !listed->empty()) {
    last_good_->drop_others(*listed);
  }
  for (const std::string& name : *listed) {
    visit(name, recall(name) ? Written::kInPlace : Written::kWhole);
  }
  store_.commit();
  return {};
}

bool DataplaneDirectory::recall(const std::string& name) {
  const auto text = last_good_ == nullptr ? std::nullopt : last_good_->read(name);
  if (text) {
    store_.change_file(path_ + "/" + name, known_[name].content.update(*text));
  }
  return text.has_value();
}

void DataplaneDirectory::finish() {
  on_events();
  keep_last_good();
}

void DataplaneDirectory::keep_last_good() {
  if (last_good_ == nullptr) {
    return;
  }
  for (const auto& [name, file] : known_) {
    const std::string& text = file.content.last_good_text();
    const bool is_good = file.problems.empty() && !file.content.is_unsettled();
    if (!is_good && !text.empty() && !last_good_->has(name)) {
      last_good_->keep(name, text);
    }
  }
}

void DataplaneDirectory::on_events() {
  const FolderEvents events = watch_.take();
  for (const std::string& name : events.written) {
    known_[name].is_open = true;
  }
  for (const auto& [name, how] : events.complete) {
    visit(name, how);
  }
  if (events.is_overflow) {
    compare_after_loss();
  } else if (events.is_everything) {
    compare(Written::kWhole,
            [](const File& file) { return file.read != file.seen && !file.is_open; });
  }
  store_.commit();
}

void DataplaneDirectory::follow_folder() {
  if (watch_.follow()) {
    is_unfilled_ = true;
    restart_grace();
    compare_after_loss();
    store_.commit();
  }
}

// Events were lost, among them those that say who has closed which file. What is read half-written
// loses nothing, and from here on events tell when it is complete.
void DataplaneDirectory::compare_after_loss() {
  compare(Written::kInPlace, [](const File& file) { return file.read != file.seen; });
}

void DataplaneDirectory::rescan() {
  follow_folder();
  compare(Written::kWhole, [](const File& file) {
    return file.read != file.seen &&
           file.resting_scans >= (file.is_open ? kOpenScans : kRestingScans);
  });
  store_.commit();
  keep_last_good();
}

void DataplaneDirectory::compare(Written how, const std::function<bool(const File&)>& is_due) {
  const auto listed = names();
  if (!listed) {
    if (folder_problem_ != listed.error().message) {
      folder_problem_ = listed.error().message;
      logger_.error("{}; what it held stays", folder_problem_);
    }
    return;
  }
  folder_problem_.clear();
  for (const auto& [name, file] : known_) {
    if (!listed->contains(name)) {
      miss(name);
    }
  }
  for (const std::string& name : *listed) {
    missing_.erase(name);
    File& file = known_[name];
    const FileSignature now = FileSignature::of(path_ + "/" + name);
    file.resting_scans = file.seen == now ? file.resting_scans + 1 : 0;
    file.seen = now;
    if (is_due(file)) {
      read(name, file, how);
    }
  }
}

void DataplaneDirectory::visit(const std::string& name, Written how) {
  if (!exists(path_ + "/" + name)) {
    miss(name);
  } else {
    missing_.erase(name);
    read(name, known_[name], how);
  }
}

void DataplaneDirectory::miss(const std::string& name) {
  if (known_.contains(name)) {
    missing_.try_emplace(name, clock_.now());
  }
}

void DataplaneDirectory::restart_grace() {
  for (auto* const waiting : {&missing_, &settling_}) {
    for (auto& [name, since] : *waiting) {
      since = clock_.now();
    }
  }
}

void DataplaneDirectory::expire() {
  follow_folder();
  if (!names()) {
    restart_grace();
    return;
  }
  const TimePoint due = clock_.now() - kRemovalGrace;
  forget_missing(due);
  settle(due);
  store_.commit();
}

void DataplaneDirectory::forget_missing(TimePoint due) {
  std::vector<std::string> gone;
  std::erase_if(missing_, [&](const auto& entry) {
    const auto& [name, since] = entry;
    if (since > due) {
      return false;
    }
    if (!exists(path_ + "/" + name)) {
      gone.push_back(name);
    }
    return true;
  });
  for (const std::string& name : gone) {
    forget(name);
  }
}

void DataplaneDirectory::settle(TimePoint due) {
  std::vector<std::string> rested;
  for (const auto& [name, since] : settling_) {
    if (since <= due) {
      rested.push_back(name);
    }
  }
  for (const std::string& name : rested) {
    settling_.erase(name);
    // What is being written or gone settles when that has ended.
    if (const auto file = known_.find(name);
        file != known_.end() && !file->second.is_open && !missing_.contains(name)) {
      visit(name, Written::kWhole);
    }
  }
}

std::optional<TimePoint> DataplaneDirectory::next_expiry() const {
  std::optional<TimePoint> first;
  for (const auto* const waiting : {&missing_, &settling_}) {
    for (const auto& [name, since] : *waiting) {
      first = first ? std::min(*first, since) : since;
    }
  }
  return first ? std::optional(*first + kRemovalGrace) : std::nullopt;
}

void DataplaneDirectory::forget(const std::string& name) {
  const auto file = known_.find(name);
  if (file == known_.end()) {
    return;
  }
  logger_.info("a dataplane file is gone file={} dataplanes={}", escape_name(name),
               file->second.content.dataplanes().size());
  file_problems_ -= file->second.problems.size();
  DataplaneChange change;
  for (const auto& [id, entity] : file->second.content.dataplanes()) {
    change.removed.push_back(id);
  }
  store_.change_file(path_ + "/" + name, change);
  known_.erase(file);
  if (last_good_ != nullptr) {
    last_good_->drop(name);
  }
}

void DataplaneDirectory::read(const std::string& name, File& file, Written how) {
  const std::string path = path_ + "/" + name;
  file.is_open = false;
  std::vector<std::string> problems;
  const auto text = read_version(files_, path, kMaxFileBytes, file.read);
  if (text) {
    store_.change_file(path, file.content.update(*text, how));
    if (file.content.is_unsettled()) {
      settling_.insert_or_assign(name, clock_.now());
    } else {
      settling_.erase(name);
    }
  } else {
    problems.push_back(one_line(text.error().message));
    if (may_pass(text.error().code)) {
      file.read = {};  // so that the next scan tries again
    }
  }
  for (const YamlProblem& problem : file.content.problems()) {
    problems.push_back(one_line(fmt::format("{}:{}: {}", path, problem.line, problem.reason)));
  }
  if (last_good_ != nullptr && problems.empty() && !file.content.is_unsettled()) {
    last_good_->drop(name);
  }
  report(path, file, std::move(problems));
}

void DataplaneDirectory::report(const std::string& path, File& file,
                                std::vector<std::string> problems) {
  std::vector<std::string> news;
  std::ranges::copy_if(problems, std::back_inserter(news), [&](const std::string& problem) {
    return std::ranges::find(file.problems, problem) == file.problems.end();
  });
  for (std::size_t i = 0; i < std::min(news.size(), kMaxLoggedProblems); ++i) {
    logger_.error("{}", news[i]);
  }
  if (news.size() > kMaxLoggedProblems) {
    logger_.error("{}: {} problems more; `meshdns-cp check` lists them", one_line(path),
                  news.size() - kMaxLoggedProblems);
  }
  file_problems_ += problems.size();
  file_problems_ -= file.problems.size();
  file.problems = std::move(problems);
}

std::vector<std::string> DataplaneDirectory::problems() const {
  std::vector<std::string> all;
  if (!folder_problem_.empty()) {
    all.push_back(folder_problem_);
  }
  for (const auto& [name, file] : known_) {
    all.insert(all.end(), file.problems.begin(), file.problems.end());
  }
  all.insert(all.end(), store_.problems().begin(), store_.problems().end());
  return all;
}

std::size_t DataplaneDirectory::problem_count() const {
  return (folder_problem_.empty() ? 0 : 1) + file_problems_ + store_.problems().size();
}

}  // namespace meshdns::discovery
