// A folder of Dataplane files (*.yaml, *.yml), watched: a change is read when its writer has closed
// or renamed the file.
//
// Belongs to the control thread. What a file in a bad state held stays, by the rules of
// DataplaneFile; a file that cannot be read keeps everything, and so does a folder that vanishes.
// Removing a file removes its dataplanes, after a grace: editors remove a file to write it anew.
// What a file written in place has lost goes after the same grace, at once when it was renamed.
// The cost of a change follows the changed file.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/inotify.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/dataplane_store.h"

namespace meshdns::discovery {

class DataplaneDirectory {
 public:
  static constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;
  // Scans for which a file must have stayed the same before it is read without an event: one being
  // written may rest between two writes, and one whose writer is known to have it open longer.
  static constexpr int kRestingScans = 1;
  static constexpr int kOpenScans = 15;
  // How long a file must be missing before it counts as removed, and one that was written in place
  // must rest before what it has lost is. Time in which the folder cannot be listed does not count.
  static constexpr std::chrono::milliseconds kRemovalGrace{500};

  // References outlive the directory.
  DataplaneDirectory(std::string path, FileSystem& files, const Clock& clock, DataplaneStore& store,
                     Logger& logger);

  // Begins to watch, before load() so that nothing is missed between the two; watch_fd() is then
  // readable when there is something for on_events(). Without a watch rescan() finds changes.
  [[nodiscard]] Result<void> watch();
  [[nodiscard]] int watch_fd() const { return watch_.get(); }
  // Reads everything; fails when the folder cannot be listed.
  [[nodiscard]] Result<void> load();
  // Reads what the events are about. Call it when watch_fd() is readable.
  void on_events();
  // Follows the path to another folder: one that came back, or to which a link was turned. Costs
  // one stat() as long as it is the same; call it a few times a second.
  void follow_folder();
  // Finds what no event told of (network file systems). Call it every few seconds.
  void rescan();
  // Takes it that files which were missing for the grace, and still are, are removed, and that
  // files which rested for it are whole.
  void expire();
  // When expire() has something to do.
  [[nodiscard]] std::optional<TimePoint> next_expiry() const;

  // What is wrong now, as "file:line: reason", duplicates between files included; the line is left
  // out where there is none.
  [[nodiscard]] std::vector<std::string> problems() const;
  [[nodiscard]] std::size_t problem_count() const;

 private:
  // Tells one version of a file, or one folder, from another.
  struct Signature {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = -1;  // -1: there is no such file
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Signature&, const Signature&) = default;
  };
  struct File {
    Signature read;  // as it was when last read
    Signature seen;  // as the last rescan() saw it
    int resting_scans = 0;
    bool is_open = false;  // written to, and not closed since
    std::vector<std::string> problems;
    DataplaneFile content;
  };
  // What a batch of events is about.
  struct Events {
    std::map<std::string, Written> complete;  // closed, renamed, removed
    std::set<std::string> written;            // and still open
    bool is_everything = false;
    bool is_overflow = false;  // events were lost, and nobody knows what is open
  };

  [[nodiscard]] static Signature signature_of(const std::string& path);
  [[nodiscard]] Result<std::set<std::string>> names() const;
  [[nodiscard]] Events take_events();
  void note(const inotify_event& event, const std::string& name, Events& events);
  // Watches the folder that the path is of now; true when that is another one than before.
  [[nodiscard]] bool renew_watch();
  void visit(const std::string& name, Written how);
  void read(const std::string& name, File& file, Written how);
  [[nodiscard]] Result<std::string> read_whole(const std::string& path, Signature& version) const;
  // Begins the grace of a file that is missing.
  void miss(const std::string& name);
  void restart_grace();
  void forget(const std::string& name);
  // Makes these the problems of a file, and logs those that are new.
  void report(const std::string& path, File& file, std::vector<std::string> problems);
  // Brings the files into line with the folder; reads those for which `is_due` holds.
  void compare(Written how, const std::function<bool(const File&)>& is_due);
  void compare_after_loss();
  void forget_missing(TimePoint due);
  void settle(TimePoint due);
  void commit();

  std::string path_;
  FileSystem& files_;
  const Clock& clock_;
  DataplaneStore& store_;
  Logger& logger_;
  UniqueFd watch_;
  int watch_descriptor_ = -1;
  Signature watched_;  // the folder that watch_descriptor_ is of
  std::map<std::string, File> known_;
  std::map<std::string, TimePoint> missing_;   // of known_, with the time since when
  std::map<std::string, TimePoint> settling_;  // likewise: unsettled, since it was closed
  std::string folder_problem_;
  std::size_t file_problems_ = 0;
  std::set<std::string> duplicates_;  // as last reported
};

}  // namespace meshdns::discovery
