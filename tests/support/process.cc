#include "tests/support/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sched.h>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/unique_fd.h"

namespace meshdns::support {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

UniqueFd make_memory_file(const char* name) {
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file.valid()) {
    throw_errno("memfd_create");
  }
  return file;
}

// Reads a file that another process may be appending to, without moving its offset.
std::string read_all(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || status.st_size <= 0) {
    return {};
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count =
        ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (count <= 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  return text;
}

// argv or envp as exec wants it. The strings stay where they are.
std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const std::vector<std::string>& additions) {
  std::vector<std::string> environment = additions;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const std::string name = text.substr(0, text.find('=') + 1);
    const bool overridden =
        std::ranges::any_of(additions, [&](const std::string& a) { return a.starts_with(name); });
    // MESHDNS_NO_NETNS and the like speak to the tests; to the programs they are unknown settings.
    if (!overridden && !name.starts_with("MESHDNS_")) {
      environment.push_back(text);
    }
  }
  return environment;
}

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become_program(const ProcessOptions& options, char** argv, char** envp,
                                 int output, int error, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(127);
  }
  if (options.network_namespace >= 0 && ::setns(options.network_namespace, CLONE_NEWNET) != 0) {
    ::_exit(127);
  }
  if (options.max_file_bytes.has_value()) {
    const rlimit limit{.rlim_cur = *options.max_file_bytes, .rlim_max = *options.max_file_bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_IGN);
  }
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(error, STDERR_FILENO);
  ::execvpe(argv[0], argv, envp);
  ::_exit(127);
}

}  // namespace

Process::Process(const ProcessOptions& options)
    : output_(make_memory_file("stdout")), error_(make_memory_file("stderr")) {
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> environment = environment_with(options.environment);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(environment);
  // Children share the offset of these descriptors with nobody: O_APPEND keeps writers apart.
  ::fcntl(output_.get(), F_SETFL, O_APPEND);
  ::fcntl(error_.get(), F_SETFL, O_APPEND);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) {
    throw_errno("fork");
  }
  if (pid_ == 0) {
    become_program(options, const_cast<char**>(argv.data()), const_cast<char**>(envp.data()),
                   output_.get(), error_.get(), parent);
  }
  // glibc 2.36 declares pidfd_open without C linkage.
  pid_fd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pid_fd_.valid()) {
    throw_errno("pidfd_open");
  }
}

Process::~Process() { kill(); }

void Process::signal(int number) const {
  if (!status_.has_value()) {
    ::kill(pid_, number);
  }
}

std::optional<int> Process::wait(std::chrono::milliseconds bound) {
  if (status_.has_value()) {
    return status_;
  }
  pollfd entry{.fd = pid_fd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&entry, 1, static_cast<int>(bound.count())) != 1) {
    return std::nullopt;
  }
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) {
    throw_errno("waitpid");
  }
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

void Process::kill() {
  signal(SIGKILL);
  if (!status_.has_value()) {
    ::waitpid(pid_, nullptr, 0);
    status_ = 128 + SIGKILL;
  }
}

std::string Process::standard_output() const { return read_all(output_.get()); }
std::string Process::standard_error() const { return read_all(error_.get()); }

CommandResult run_command(const std::vector<std::string>& argv, std::chrono::milliseconds bound) {
  Process process({.argv = argv});
  const std::optional<int> exit_code = process.wait(bound);
  return {.exit_code = exit_code.value_or(-1),
          .output = process.standard_output(),
          .error = process.standard_error()};
}

}  // namespace meshdns::support
