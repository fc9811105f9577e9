// FolderWatch: which files of a folder were written, renamed or removed, as inotify(7) tells.
//
// Follows the path to another folder: one that came back, or to which a link was turned. Belongs to
// one thread. Network file systems tell nothing: whoever uses it looks at FileSignature now and
// then, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <sys/inotify.h>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns {

// Tells one version of a file, or one folder, from another. Links are followed.
struct FileSignature {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = -1;  // -1: there is no such file
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  [[nodiscard]] static FileSignature of(const std::string& path);
  friend bool operator==(const FileSignature&, const FileSignature&) = default;
};

// read_file() of a version that did not change meanwhile: `version`. kUnavailable when it changes
// faster than it can be read.
[[nodiscard]] Result<std::string> read_version(FileSystem& files, const std::string& path,
                                               std::size_t limit_bytes, FileSignature& version);

// How a version of a file came to be.
enum class Written : std::uint8_t {
  kWhole,    // by a rename, or it has been at rest
  kInPlace,  // and closed, but the writer may open it again and write more
};

// What a batch of events is about.
struct FolderEvents {
  std::map<std::string, Written> complete;  // closed, renamed, removed
  std::set<std::string> written;            // and still open
  bool is_everything = false;
  bool is_overflow = false;  // events were lost, and nobody knows what is open
};

class FolderWatch {
 public:
  // `is_wanted`: the names of files that events are told of. `files` outlives the watch.
  FolderWatch(std::string path, FileSystem& files, std::function<bool(std::string_view)> is_wanted);

  // From here on fd() is readable when there is something to take(). Fails when there can be no
  // watch, or none of this folder yet, which follow() may mend.
  [[nodiscard]] Result<void> start();
  [[nodiscard]] int fd() const { return watch_.get(); }
  [[nodiscard]] FolderEvents take();
  // Watches the folder that the path is of now; true when that is another one than before. One
  // stat() as long as it is the same.
  [[nodiscard]] bool follow();

 private:
  void note(const inotify_event& event, const std::string& name, FolderEvents& events);

  std::string path_;
  FileSystem& files_;
  std::function<bool(std::string_view)> is_wanted_;
  UniqueFd watch_;
  int descriptor_ = -1;
  FileSignature watched_;  // the folder that descriptor_ is of
};

}  // namespace meshdns
