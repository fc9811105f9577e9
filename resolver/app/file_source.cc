#include "resolver/app/file_source.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/file_feed.h"
#include "discovery/service.h"
#include "discovery/xds/held_versions.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/metrics.h"

namespace meshdns::dns {
namespace {

// So that a clock that is set, or an event that is lost, delays nothing for long.
constexpr int kLongestWaitMs = 1000;

}  // namespace

struct FileSource::Mailbox {
  FileSource* owner = nullptr;  // the control thread's
};

FileSource::FileSource(Options options, ControlLoop& loop, FileSystem& files, Clock& clock,
                       Logger& logger, AppMetrics& metrics, OnDelta on_delta)
    : options_(std::move(options)),
      loop_(loop),
      clock_(clock),
      logger_(logger),
      metrics_(metrics),
      on_delta_(std::move(on_delta)),
      feed_(options_.path, options_.defaults, files, clock),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      mailbox_(std::make_shared<Mailbox>(Mailbox{.owner = this})) {}

// NOLINTNEXTLINE(clang-analyzer-optin.cplusplus.VirtualCall): the class is final.
FileSource::~FileSource() { stop(); }

void FileSource::start(std::map<std::string, discovery::HeldVersions> /*held*/) {
  if (const auto watched = feed_.watch(); !watched) {
    logger_.warn("{}; the services file is looked at every half second",
                 escape_text(watched.error().message));
  }
  thread_ = std::thread([this] { watch_file(); });
}

void FileSource::stop() {
  mailbox_->owner = nullptr;
  stopping_ = true;
  const std::uint64_t one = 1;
  // Without an eventfd the thread looks once a second.
  static_cast<void>(::write(wake_.get(), &one, sizeof one) == sizeof one);
  if (thread_.joinable()) {
    thread_.join();
  }
}

void FileSource::watch_file() {
  while (!stopping_) {
    if (auto update = feed_.look()) {
      loop_.post([mailbox = mailbox_, update = *std::move(update)]() mutable {
        if (mailbox->owner != nullptr) {
          mailbox->owner->take(std::move(update));
        }
      });
    }
    // A negative descriptor is passed over.
    std::array<pollfd, 2> waits{{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = feed_.watch_fd(), .events = POLLIN, .revents = 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(feed_.wake_at() - clock_.now());
    static_cast<void>(::poll(waits.data(), waits.size(),
                             std::clamp(static_cast<int>(left.count()), 0, kLongestWaitMs)));
  }
}

void FileSource::take(discovery::FileFeed::Update update) {
  has_looked_ = true;
  const bool is_refused = !update.problems.empty();
  (is_refused ? metrics_.services_file_refused : metrics_.services_file_taken).add();
  metrics_.services_file_problems.set(static_cast<double>(update.problems.size()));
  if (is_refused) {
    report(update.problems);
    problems_ = std::move(update.problems);
    return;
  }
  problems_.clear();
  std::size_t changed = 0;
  std::size_t removed = 0;
  for (const discovery::ServiceDelta& delta : update.deltas) {
    changed += delta.services.size() + delta.records.size();
    removed += delta.removed_services.size() + delta.removed_records.size();
  }
  logger_.info(
      "took the services file file={} services={} records={} parsed={} changed={} removed={}",
      escape_text(options_.path), update.services, update.records, update.parsed, changed, removed);
  for (const discovery::ServiceDelta& delta : update.deltas) {
    on_delta_(delta);
  }
}

void FileSource::report(const std::vector<std::string>& problems) {
  if (problems == problems_) {
    return;  // said already
  }
  for (std::size_t i = 0; i < std::min(problems.size(), kMaxLoggedProblems); ++i) {
    logger_.error("{}", problems[i]);
  }
  if (problems.size() > kMaxLoggedProblems) {
    logger_.error("{}: {} problems more; `meshdns check` lists them", escape_text(options_.path),
                  problems.size() - kMaxLoggedProblems);
  }
  logger_.error("the services file is not taken file={} problems={}; what it held before stays",
                escape_text(options_.path), problems.size());
}

std::string FileSource::state() const {
  if (!has_looked_) {
    return "not read yet";
  }
  return problems_.empty() ? "taken" : "not taken: " + problems_.front();
}

}  // namespace meshdns::dns
