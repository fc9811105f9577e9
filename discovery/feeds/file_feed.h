// FileFeed: services, endpoints and name records from a file, for no control plane at all.
// Watches the file and reads it when a version of it is complete: renamed over it, swapped behind a
// link, closed by its writer and left alone for a moment, or at rest.
//
// Belongs to one thread, which may wait for the disk. A version is taken whole or not at all: what
// cannot be read, is gone or has a mistake changes nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/folder_watch.h"
#include "base/result.h"
#include "discovery/feeds/service_file.h"
#include "discovery/feeds/service_yaml.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::discovery {

class FileFeed {
 public:
  // Services and records; and their endpoints, as a feed of its own.
  static constexpr const char* kName = "file";
  static constexpr const char* kEndpointsName = "file-endpoints";
  static constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;
  // From the end of a write in place to the reading: its writer may open the file again.
  static constexpr std::chrono::milliseconds kGrace{300};
  // How often the file is looked at without an event, how long it must have stayed the same to be
  // read then, and how long while it is known to be open for writing.
  static constexpr std::chrono::milliseconds kLookInterval{500};
  static constexpr std::chrono::milliseconds kRest{1000};
  static constexpr std::chrono::seconds kOpenRest{15};

  // What a look at the file gave.
  struct Update {
    // In the order in which they are to be taken; none when there are problems. The first of
    // services is a full state, and the first last one of endpoints.
    std::vector<ServiceDelta> deltas;
    std::vector<std::string> problems;  // "PATH:LINE: reason" or "reason"
    bool is_unreadable = false;         // it is no mistake of the file's text
    std::size_t services = 0;           // of the version taken last
    std::size_t records = 0;
    std::size_t parsed = 0;  // documents that were not as before
  };

  // References outlive the feed.
  FileFeed(std::string path, ServiceFileDefaults defaults, FileSystem& files, const Clock& clock);

  // Fails when nothing can be watched: the file is then looked at now and then.
  [[nodiscard]] Result<void> watch() { return watch_.start(); }
  // Readable when look() may have something; -1 without a watch.
  [[nodiscard]] int watch_fd() const { return watch_.fd(); }
  // Reads the file if there is a version of it that is complete and was not read yet. The first
  // look always does.
  [[nodiscard]] std::optional<Update> look();
  // When to look again at the latest.
  [[nodiscard]] TimePoint wake_at() const;

  // What a log on disk says of either feed: each resource is a Service, a ClusterLoadAssignment or
  // a NameRecord.
  [[nodiscard]] static ServiceDelta read(const std::string& feed, const ResponseView& response,
                                         const std::string& mesh,
                                         std::vector<Rejection>& rejections);

 private:
  void note_events(TimePoint now);
  // Whether the version that is there may be read now.
  [[nodiscard]] bool is_complete(TimePoint now) const;
  [[nodiscard]] Update read_file();
  [[nodiscard]] std::vector<ServiceDelta> deltas_of(ServiceFile::Change change);

  std::string path_;
  std::string name_;
  FileSystem& files_;
  const Clock& clock_;
  FolderWatch watch_;
  ServiceFile content_;
  std::optional<FileSignature> read_;  // as it was when last read
  FileSignature seen_;                 // as the last look saw it
  TimePoint seen_at_;                  // since when
  TimePoint looked_at_;
  std::optional<TimePoint> complete_at_;  // as an event told
  bool is_open_ = false;                  // written to, and not closed since
  bool has_delivered_ = false;
};

}  // namespace meshdns::discovery
