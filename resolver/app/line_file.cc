#include "resolver/app/line_file.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::dns {
namespace {

constexpr mode_t kMode = 0640;
constexpr std::chrono::seconds kOpenInterval{1};
// How long a reader may keep its pipe full before lines are lost.
constexpr int kPatienceMilliseconds = 100;
// POSIX: a pipe that poll() says can be written to takes so many without waiting (PIPE_BUF).
constexpr std::size_t kPieceOctets = 4096;

std::size_t line_count(std::string_view lines) {
  return static_cast<std::size_t>(std::ranges::count(lines, '\n'));
}

bool can_be_written(int fd) {
  pollfd wanted{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&wanted, 1, kPatienceMilliseconds) == 1 && (wanted.revents & POLLOUT) != 0;
}

}  // namespace

LineFile::LineFile(std::string path, FileSystem& files, Logger& log)
    : path_(std::move(path)), files_(files), log_(log) {}

Result<UniqueFd> LineFile::open() {
  if (path_ == kStandardError) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): fcntl(2) is declared so.
    UniqueFd copy(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) {
      return fail(ErrorCode::kIo, "standard error is closed");
    }
    return copy;
  }
  // O_NONBLOCK: a FIFO that nobody reads must not be waited for.
  return files_.open(path_, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, kMode);
}

bool LineFile::is_open() {
  const auto now = std::chrono::steady_clock::now();
  if (fd_.valid() || (tried_ && now - *tried_ < kOpenInterval)) {
    return fd_.valid();
  }
  auto opened = open();
  if (!opened) {
    tried_ = now;
    tell(opened.error().message);
    return false;
  }
  tried_.reset();
  torn_ = false;
  fd_ = *std::move(opened);
  return true;
}

void LineFile::reopen() {
  if (auto opened = open()) {
    fd_ = *std::move(opened);
    torn_ = false;
  } else {
    tell(opened.error().message);
  }
}

std::size_t LineFile::write(std::string_view lines) {
  if (!is_open()) {
    return line_count(lines);
  }
  if (torn_ && write_some("\n") == 0) {
    return line_count(lines);
  }
  const std::size_t written = write_some(lines);
  torn_ = written != 0 && lines[written - 1] != '\n';
  if (written == lines.size() && !failure_.empty()) {
    log_.info("written again file={}", path_);
    failure_.clear();
  }
  return line_count(lines.substr(written));
}

std::size_t LineFile::write_some(std::string_view text) {
  std::string_view left = text;
  while (!left.empty()) {
    if (!can_be_written(fd_.get())) {
      tell("nobody takes what is written to " + path_);
      break;
    }
    const auto count = files_.write(fd_.get(), left.substr(0, kPieceOctets));
    if (!count) {
      tell(count.error().message);
      if (count.error().code != ErrorCode::kNoSpace) {
        fd_.reset();  // whoever read it may have gone, and come back
        tried_ = std::chrono::steady_clock::now();
      }
      break;
    }
    left.remove_prefix(*count);
  }
  return text.size() - left.size();
}

void LineFile::tell(const std::string& failure) {
  if (std::exchange(failure_, failure) != failure) {
    log_.warn("lines are lost file={} reason={}", path_, escape_text(failure));
  }
}

}  // namespace meshdns::dns
