#include "base/file_replacement.h"

#include <fcntl.h>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns {

FileReplacement::FileReplacement(FileSystem& files, std::string path, UniqueFd file)
    : files_(files), path_(std::move(path)), file_(std::move(file)) {}

FileReplacement::FileReplacement(FileReplacement&& other) noexcept
    : files_(other.files_),
      path_(std::move(other.path_)),
      file_(std::move(other.file_)),
      done_(std::exchange(other.done_, true)) {}

FileReplacement::~FileReplacement() {
  if (!done_) {
    std::ignore = files_.remove(temporary());  // best effort: the old file stands either way
  }
}

Result<FileReplacement> FileReplacement::begin(FileSystem& files, std::string path, mode_t mode) {
  auto file = files.open(path + ".tmp", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  if (!file) {
    return tl::unexpected(std::move(file.error()));
  }
  return FileReplacement(files, std::move(path), *std::move(file));
}

Result<void> FileReplacement::append(std::string_view data) {
  if (auto written = write_all(files_, file_.get(), data); !written) {
    return fail(path_, std::move(written.error()));
  }
  return {};
}

Result<void> FileReplacement::commit() {
  const auto renamed =
      files_.sync(file_.get()).and_then([this] { return files_.rename(temporary(), path_); });
  if (!renamed) {
    return fail(path_, renamed.error());
  }
  done_ = true;
  return sync_directory(files_, directory_of(path_));
}

}  // namespace meshdns
