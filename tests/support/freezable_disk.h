// A disk that a test makes hang: whoever writes waits until it goes on, as on one whose file system
// is frozen for a backup.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/unique_fd.h"
#include "tests/support/process.h"

namespace meshdns::support {

// An ext4 of its own at a folder, in the mount namespace of the tests. Needs root and a loop
// device.
class FreezableDisk {
 public:
  // `path` is made; the image stands beside it.
  explicit FreezableDisk(const std::string& path) : FreezableDisk(path, path + ".image", kOctets) {}
  // `path` is made, and `image`, of so many octets as are written to it.
  FreezableDisk(std::string path, const std::string& image, std::uintmax_t octets)
      : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    std::ofstream(image).close();
    std::filesystem::resize_file(image, octets);
    trouble_ = error_of({"mkfs.ext4", "-q", image});
    if (trouble_.empty()) {
      trouble_ = error_of({"mount", "-o", "loop", image, path_});
      folder_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
  }
  FreezableDisk(const FreezableDisk&) = delete;
  FreezableDisk& operator=(const FreezableDisk&) = delete;
  ~FreezableDisk() {
    thaw();
    folder_.reset();
    ::umount2(path_.c_str(), MNT_DETACH);
  }

  static constexpr std::uintmax_t kOctets = 16U << 20U;

  // Why there is none; empty: there is one.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

  void freeze() {
    // Should the tests be killed, nobody else would ever let the writers go on.
    rescuer_ = ::fork();
    if (rescuer_ == 0) {
      ::sleep(kLongestSeconds);
      ::ioctl(folder_.get(), FITHAW, 0);
      ::_exit(0);
    }
    if (::ioctl(folder_.get(), FIFREEZE, 0) != 0) {
      throw std::system_error(errno, std::generic_category(), "freezing " + path_);
    }
  }
  void thaw() {
    if (rescuer_ > 0) {
      ::kill(rescuer_, SIGKILL);
      ::waitpid(rescuer_, nullptr, 0);
      rescuer_ = 0;
      ::ioctl(folder_.get(), FITHAW, 0);
    }
  }

 private:
  static constexpr unsigned kLongestSeconds = 300;

  static std::string error_of(const std::vector<std::string>& command) {
    const CommandResult result = run_command(command);
    return result.exit_code == 0 ? std::string() : command.front() + ": " + result.error;
  }

  std::string path_;
  std::string trouble_;
  UniqueFd folder_;
  pid_t rescuer_ = 0;
};

}  // namespace meshdns::support
