// A disk that a test fills.
#pragma once

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include <sys/mount.h>

namespace meshdns::support {

// A small file system of its own at an existing folder, in the mount namespace of the tests.
class SmallDisk {
 public:
  SmallDisk(std::string path, const std::string& size) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    if (::mount("tmpfs", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
      throw std::system_error(errno, std::generic_category(), "mounting a tmpfs at " + path_);
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() { ::umount2(path_.c_str(), MNT_DETACH); }

  // Until not one octet more fits.
  void fill() const {
    std::ofstream stream(path_ + "/filler", std::ios::binary);
    stream.rdbuf()->pubsetbuf(nullptr, 0);
    while (stream.put('x')) {
    }
  }
  void make_room() const { std::filesystem::remove(path_ + "/filler"); }
  void make_read_only() const {
    if (::mount("tmpfs", path_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      throw std::system_error(errno, std::generic_category(), "remounting " + path_);
    }
  }

 private:
  std::string path_;
};

}  // namespace meshdns::support
