// Keeps a DataplaneDirectory in step with its folder: reads what an event tells of, sees a few
// times a second whether the folder is another one, scans it every few seconds for what no event
// told of, and lets graces end when they are due.
//
// Belongs to the thread that runs the io_context.
#pragma once

#include <chrono>
#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "discovery/control/dataplane_directory.h"

namespace meshdns::discovery {

class DirectoryFollower {
 public:
  // A scan takes a hundredth of the time at most: after one that took longer the next waits.
  static constexpr std::chrono::seconds kScanInterval{2};
  static constexpr int kScanShare = 100;

  struct Hooks {
    std::function<void()> followed;  // after whatever the folder has said, or may have said
    std::function<void()> scanned;   // after each scan by time; its own time counts as the scan's
  };

  // References outlive the follower.
  DirectoryFollower(boost::asio::io_context& io, const Clock& clock, DataplaneDirectory& directory,
                    Hooks hooks);
  DirectoryFollower(const DirectoryFollower&) = delete;
  DirectoryFollower& operator=(const DirectoryFollower&) = delete;
  DirectoryFollower(DirectoryFollower&&) = delete;
  DirectoryFollower& operator=(DirectoryFollower&&) = delete;
  ~DirectoryFollower();

  // Begins, when the directory is loaded; with events where it is watched.
  void start();
  // Reads what has changed now, whether or not an event told of it.
  void rescan();

 private:
  void wait_for_events();
  void wait_for_folder();
  void wait_for_scan(std::chrono::nanoseconds pause);
  void follow_up();

  const Clock& clock_;
  DataplaneDirectory& directory_;
  Hooks hooks_;
  boost::asio::posix::stream_descriptor events_;  // the directory's, which closes it
  boost::asio::steady_timer folder_timer_;
  boost::asio::steady_timer scan_timer_;
  boost::asio::steady_timer grace_timer_;
};

}  // namespace meshdns::discovery
