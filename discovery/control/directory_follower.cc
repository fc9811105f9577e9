#include "discovery/control/directory_follower.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>

#include "base/clock.h"
#include "discovery/control/dataplane_directory.h"

namespace meshdns::discovery {
namespace {

using boost::system::error_code;

// How often to see whether the folder is another one.
constexpr std::chrono::milliseconds kFolderInterval{250};

}  // namespace

DirectoryFollower::DirectoryFollower(boost::asio::io_context& io, const Clock& clock,
                                     DataplaneDirectory& directory, Hooks hooks)
    : clock_(clock),
      directory_(directory),
      hooks_(std::move(hooks)),
      events_(io),
      folder_timer_(io),
      scan_timer_(io),
      grace_timer_(io) {}

DirectoryFollower::~DirectoryFollower() {
  if (events_.is_open()) {
    (void)events_.release();
  }
}

void DirectoryFollower::start() {
  if (directory_.watch_fd() >= 0) {
    events_.assign(directory_.watch_fd());
    wait_for_events();
  }
  wait_for_folder();
  wait_for_scan(kScanInterval);
  follow_up();
}

void DirectoryFollower::rescan() {
  directory_.rescan();
  follow_up();
}

void DirectoryFollower::wait_for_events() {
  events_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const error_code& error) {
                       if (!error) {
                         directory_.on_events();
                         follow_up();
                         wait_for_events();
                       }
                     });
}

void DirectoryFollower::wait_for_folder() {
  folder_timer_.expires_after(kFolderInterval);
  folder_timer_.async_wait([this](const error_code& error) {
    if (!error) {
      directory_.follow_folder();
      follow_up();
      wait_for_folder();
    }
  });
}

void DirectoryFollower::wait_for_scan(std::chrono::nanoseconds pause) {
  scan_timer_.expires_after(pause);
  scan_timer_.async_wait([this](const error_code& error) {
    if (!error) {
      const TimePoint before = clock_.now();
      directory_.rescan();
      hooks_.scanned();
      follow_up();
      wait_for_scan(
          std::max<std::chrono::nanoseconds>(kScanInterval, kScanShare * (clock_.now() - before)));
    }
  });
}

void DirectoryFollower::follow_up() {
  hooks_.followed();
  const auto due = directory_.next_expiry();
  if (!due) {
    grace_timer_.cancel();
    return;
  }
  grace_timer_.expires_after(*due - clock_.now());
  grace_timer_.async_wait([this](const error_code& error) {
    if (!error) {
      directory_.expire();
      follow_up();
    }
  });
}

}  // namespace meshdns::discovery
