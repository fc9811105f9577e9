// FileReplacement: a file written anew piece by piece, so that after a crash its path holds the old
// content or the new one, whole: a temporary file beside it, fsync, rename, fsync of the folder.
//
// One thread at a time. Unless commit() succeeds, the old file is untouched and the temporary one
// goes with this object.
#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns {

class FileReplacement {
 public:
  // References outlive the replacement.
  [[nodiscard]] static Result<FileReplacement> begin(FileSystem& files, std::string path,
                                                     mode_t mode);
  FileReplacement(FileReplacement&& other) noexcept;
  FileReplacement& operator=(FileReplacement&&) = delete;
  FileReplacement(const FileReplacement&) = delete;
  FileReplacement& operator=(const FileReplacement&) = delete;
  ~FileReplacement();

  [[nodiscard]] Result<void> append(std::string_view data);
  // Makes it the file. Nothing may be appended afterwards.
  [[nodiscard]] Result<void> commit();

 private:
  FileReplacement(FileSystem& files, std::string path, UniqueFd file);
  [[nodiscard]] std::string temporary() const { return path_ + ".tmp"; }

  FileSystem& files_;
  std::string path_;
  UniqueFd file_;
  bool done_ = false;
};

}  // namespace meshdns
