// LineFile: whole lines to a file, a FIFO or standard error, without ever waiting for who reads
// them.
//
// What cannot be written within a moment (a full disk, a pipe that nobody empties) is lost and
// counted. The file is opened again every second while it cannot be, and at reopen(). Belongs to
// one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::dns {

class LineFile {
 public:
  // The word for standard error instead of a path.
  static constexpr std::string_view kStandardError = "stderr";

  // References outlive it. Nothing is opened before it is written to.
  LineFile(std::string path, FileSystem& files, Logger& log);
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  ~LineFile() = default;

  // `lines` ends with a newline. Returns how many of them are lost.
  [[nodiscard]] std::size_t write(std::string_view lines);
  // A file that cannot be opened leaves the old one in use.
  void reopen();

 private:
  [[nodiscard]] bool is_open();
  [[nodiscard]] Result<UniqueFd> open();
  // Writes what can be written now; returns its octets.
  [[nodiscard]] std::size_t write_some(std::string_view text);
  void tell(const std::string& failure);

  const std::string path_;
  FileSystem& files_;
  Logger& log_;
  UniqueFd fd_;
  std::optional<std::chrono::steady_clock::time_point> tried_;  // to open it, in vain
  bool torn_ = false;                                           // half a line stands at the end
  std::string failure_;                                         // said in the log, until it is over
};

}  // namespace meshdns::dns
