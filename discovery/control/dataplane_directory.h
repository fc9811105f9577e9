// A folder of Dataplane files (*.yaml, *.yml), watched: a change is read when its writer has closed
// or renamed the file.
//
// Belongs to the control thread. A file that cannot be read, is no YAML or has become empty keeps
// what it held, and is reported; a good file whose entities are partly bad has the good ones. A
// folder that vanishes keeps everything.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/control/dataplane_store.h"

namespace meshdns::discovery {

class DataplaneDirectory {
 public:
  // References outlive the directory.
  DataplaneDirectory(std::string path, FileSystem& files, DataplaneStore& store, Logger& logger);

  // Reads everything; fails when the folder cannot be listed.
  [[nodiscard]] Result<void> load();
  // Begins to watch; watch_fd() is readable when there is something for on_events().
  [[nodiscard]] Result<void> watch();
  [[nodiscard]] int watch_fd() const { return watch_.get(); }
  // Reads what the events are about. Call it when watch_fd() is readable.
  void on_events();
  // Finds what no event told of (network file systems, lost events). Call it every second or two: a
  // file is read only once it has stayed the same from one call to the next, so that one being
  // written is not taken half.
  void rescan();

  // What is wrong now, as "file:line: reason", duplicates between files included.
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  struct Signature {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = -1;  // -1: there is no such file
    std::int64_t modified_ns = 0;
    friend bool operator==(const Signature&, const Signature&) = default;
  };
  struct File {
    Signature read;  // as it was when last read
    Signature seen;  // as the last rescan() saw it
    std::vector<std::string> problems;
    bool has_entities = false;
  };

  [[nodiscard]] static Signature signature_of(const std::string& path);
  [[nodiscard]] Result<std::set<std::string>> names() const;
  void read(const std::string& name);
  void forget(const std::string& name);
  void report(const std::string& name, std::vector<std::string> problems);
  // Brings the files into line with the folder; `settled`: only those that have stayed the same
  // since the last call.
  void compare(bool settled);

  std::string path_;
  FileSystem& files_;
  DataplaneStore& store_;
  Logger& logger_;
  UniqueFd watch_;
  int watch_descriptor_ = -1;
  std::map<std::string, File> known_;
  std::string folder_problem_;
};

}  // namespace meshdns::discovery
