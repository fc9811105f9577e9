// A folder of Dataplane files (*.yaml, *.yml), watched: a change is read when its writer has closed
// or renamed the file.
//
// Belongs to the control thread. What a file in a bad state held stays, by the rules of
// DataplaneFile; a file that cannot be read keeps everything, and so does a folder that vanishes,
// or in whose place an empty one stands (a volume that is unmounted). Removing a file removes its
// dataplanes, after a grace: editors remove a file to write it anew. What a file written in place
// has lost goes after the same grace, at once when it was renamed. The cost of a change follows the
// changed file.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/folder_watch.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/last_good_files.h"

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

  // From now on what a file with a mistake held is kept over a restart. Before load(). `last_good`
  // outlives the directory.
  void remember_in(LastGoodFiles& last_good) { last_good_ = &last_good; }
  // Begins to watch, before load() so that nothing is missed between the two; watch_fd() is then
  // readable when there is something for on_events(). Without a watch rescan() finds changes.
  [[nodiscard]] Result<void> watch() { return watch_.start(); }
  [[nodiscard]] int watch_fd() const { return watch_.fd(); }
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
  // The end: reads what events told of, and keeps what a file with a mistake held.
  void finish();
  // When expire() has something to do.
  [[nodiscard]] std::optional<TimePoint> next_expiry() const;

  // What is wrong now, as "file:line: reason", what the store finds included; the line is left out
  // where there is none.
  [[nodiscard]] std::vector<std::string> problems() const;
  [[nodiscard]] std::size_t problem_count() const;
  // Whether all that stands in the folder has been understood: no file, nor anything in one, is
  // left out.
  [[nodiscard]] bool is_whole() const { return folder_problem_.empty() && file_problems_ == 0; }

 private:
  struct File {
    FileSignature read;  // as it was when last read
    FileSignature seen;  // as the last rescan() saw it
    int resting_scans = 0;
    bool is_open = false;  // written to, and not closed since
    std::vector<std::string> problems;
    DataplaneFile content;
  };
  // Of the files there are. Fails where nobody can tell.
  [[nodiscard]] Result<std::set<std::string>> names();
  void visit(const std::string& name, Written how);
  void read(const std::string& name, File& file, Written how);
  // Begins the grace of a file that is missing.
  void miss(const std::string& name);
  void restart_grace();
  void forget(const std::string& name);
  // Takes what the file held in an earlier process, where that has kept it. Whether it has.
  bool recall(const std::string& name);
  // Of files with a mistake, and of those that are being written.
  void keep_last_good();
  // Makes these the problems of a file, and logs those that are new.
  void report(const std::string& path, File& file, std::vector<std::string> problems);
  // Brings the files into line with the folder; reads those for which `is_due` holds.
  void compare(Written how, const std::function<bool(const File&)>& is_due);
  void compare_after_loss();
  void forget_missing(TimePoint due);
  void settle(TimePoint due);

  std::string path_;
  FileSystem& files_;
  const Clock& clock_;
  DataplaneStore& store_;
  Logger& logger_;
  LastGoodFiles* last_good_ = nullptr;  // null: nothing is kept over a restart
  FolderWatch watch_;
  std::map<std::string, File> known_;
  std::map<std::string, TimePoint> missing_;   // of known_, with the time since when
  std::map<std::string, TimePoint> settling_;  // likewise: unsettled, since it was closed
  bool is_unfilled_ = false;  // it is another folder, in which there was no file yet
  std::string folder_problem_;
  std::size_t file_problems_ = 0;
};

}  // namespace meshdns::discovery
