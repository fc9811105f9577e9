#include "tests/support/network_namespace.h"

#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include <sys/mount.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/support/process.h"

namespace meshdns::support {
namespace {

constexpr const char* kAdvice =
    " (the end-to-end tests need network namespaces: run them as root, allow user namespaces, or "
    "leave them out with ./dev test --no-netns)";

bool write_file(const char* path, const std::string& text) {
  const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  return file.valid() &&
         ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Root of a user namespace, mapped to the user that started the tests.
Result<void> become_root_of_a_user_namespace() {
  const auto user = std::to_string(::getuid());
  const auto group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER) != 0) {
    return tl::unexpected(errno_error(errno, "unshare(CLONE_NEWUSER)"));
  }
  if (!write_file("/proc/self/setgroups", "deny") ||
      !write_file("/proc/self/uid_map", "0 " + user + " 1") ||
      !write_file("/proc/self/gid_map", "0 " + group + " 1")) {
    return tl::unexpected(errno_error(errno, "mapping the user"));
  }
  return {};
}

UniqueFd open_namespace_of_this_thread() {
  UniqueFd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    throw std::system_error(errno, std::generic_category(), "/proc/thread-self/ns/net");
  }
  return fd;
}

}  // namespace

Result<void> isolate_process() {
  if (::geteuid() != 0) {
    if (auto done = become_root_of_a_user_namespace(); !done) {
      done.error().message += kAdvice;
      return done;
    }
  }
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
    Error error = errno_error(errno, "unshare(CLONE_NEWNET | CLONE_NEWNS)");
    error.message += kAdvice;
    return tl::unexpected(error);
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return tl::unexpected(errno_error(errno, "making mounts private"));
  }
  ip("link set lo up");
  return {};
}

NetworkNamespace::NetworkNamespace() {
  const char* failed = nullptr;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      failed = "unshare(CLONE_NEWNET)";
      return;
    }
    fd_ = open_namespace_of_this_thread();
  }).join();
  if (failed != nullptr) {
    throw std::runtime_error(failed);
  }
  Process up({.argv = {"ip", "link", "set", "lo", "up"}, .network_namespace = fd_.get()});
  if (up.wait() != 0) {
    throw std::runtime_error("ip link set lo up: " + up.standard_error());
  }
}

std::string NetworkNamespace::path() const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
}

void NetworkNamespace::run(const std::function<void()>& task) const {
  int result = -1;
  std::thread([&] {
    result = ::setns(fd_.get(), CLONE_NEWNET);
    if (result == 0) {
      task();
    }
  }).join();
  if (result != 0) {
    throw std::runtime_error("setns");
  }
}

void ip(const std::string& words) {
  std::vector<std::string> argv{"ip"};
  std::istringstream stream(words);
  for (std::string word; stream >> word;) {
    argv.push_back(word);
  }
  const CommandResult result = run_command(argv);
  if (result.exit_code != 0) {
    throw std::runtime_error("ip " + words + ": " + result.error);
  }
}

}  // namespace meshdns::support
