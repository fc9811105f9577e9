// The last good text of each Dataplane file that has a mistake now, or cannot be read, on disk: so
// that a control plane that starts again knows what the one before served.
//
// FOLDER/NAME for each such file, behind a line that says which file it is of, written as a whole
// and replaced by a rename. Belongs to the control thread; a thread of its own writes. What cannot
// be written is said in the log, once, and has() is false of it until it is kept again.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include <boost/asio/thread_pool.hpp>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::discovery {

class LastGoodFiles {
 public:
  // Makes the folder and becomes its one user. kAlreadyExists when another is. `of`: the folder of
  // Dataplanes. References outlive it.
  [[nodiscard]] static Result<std::unique_ptr<LastGoodFiles>> open(const std::string& folder,
                                                                   const std::string& of,
                                                                   FileSystem& files,
                                                                   Logger& logger);
  LastGoodFiles(const LastGoodFiles&) = delete;
  LastGoodFiles& operator=(const LastGoodFiles&) = delete;
  ~LastGoodFiles() { disk_.join(); }  // what is to be written is

  // Whether it is kept, or is about to be.
  [[nodiscard]] bool has(const std::string& name) const;
  // Reads the disk; nothing where there is none of that file.
  [[nodiscard]] std::optional<std::string> read(const std::string& name) const;
  void keep(const std::string& name, std::string text);
  // Does nothing where there is none.
  void drop(const std::string& name);
  // All but these.
  void drop_others(const std::set<std::string>& names);

 private:
  LastGoodFiles(std::string folder, const std::string& of, FileSystem& files, Logger& logger,
                UniqueFd lock, std::set<std::string> kept);
  [[nodiscard]] std::string path_of(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::string first_line_of(const std::string& name) const;
  // On the disk's thread.
  void write(const std::string& name, const std::string& content);
  void remove(const std::string& name);

  const std::string folder_;
  const std::string of_;
  FileSystem& files_;
  Logger& logger_;
  UniqueFd lock_;
  std::set<std::string> kept_;  // as it will be when all is written
  mutable std::mutex mutex_;
  std::set<std::string> failed_;      // guarded; could not be written, and is not being tried
  std::set<std::string> failing_;     // the disk's thread's; whose last writing failed
  boost::asio::thread_pool disk_{1};  // last: it ends first
};

}  // namespace meshdns::discovery
