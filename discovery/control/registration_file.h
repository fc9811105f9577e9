// The Dataplanes that have registered themselves, on disk: so a control plane that starts again
// knows them until their workloads have connected anew, and denies nobody's name meanwhile.
//
// `registrations.yaml` in the state folder: Dataplanes as they came, each behind a line "...". It
// is written as a whole and replaced by a rename, so it is never torn; what came in the moment
// before a kill is not in it, and registers itself anew. One thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::discovery {

class RegistrationFile {
 public:
  // Makes the folder and becomes the file's one user (registrations.lock). kAlreadyExists when
  // another is. `files` outlives it.
  [[nodiscard]] static Result<std::unique_ptr<RegistrationFile>> open(const std::string& folder,
                                                                      FileSystem& files);

  // The Dataplanes, as they came; none where there is no file.
  [[nodiscard]] Result<std::vector<std::string>> read() const;
  // Durable when it returns.
  [[nodiscard]] Result<void> write(const std::vector<std::string>& dataplanes) const;

 private:
  RegistrationFile(std::string path, FileSystem& files, UniqueFd lock);

  std::string path_;
  FileSystem& files_;
  UniqueFd lock_;
};

}  // namespace meshdns::discovery
