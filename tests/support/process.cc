#include "tests/support/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
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
#include "tests/support/wait_until.h"

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

// SD_LISTEN_FDS_START of sd_listen_fds(3).
constexpr int kFirstDescriptor = 3;
// Above all that is to be passed on.
constexpr int kOutOfTheWay = 200;

// Where the program looks for its process id; the child writes it.
constexpr const char* kPidVariable = "LISTEN_PID=";
constexpr std::size_t kPidDigits = 10;

// In the child, between fork and exec: only calls that are safe there.
void pass_descriptors(const std::vector<int>& descriptors, char** envp) {
  const int count = static_cast<int>(descriptors.size());
  for (int i = 0; i < count; ++i) {
    ::dup2(descriptors[static_cast<std::size_t>(i)], kOutOfTheWay + i);
  }
  for (int i = 0; i < count; ++i) {
    ::dup2(kOutOfTheWay + i, kFirstDescriptor + i);
    ::close(kOutOfTheWay + i);
  }
  for (char** entry = envp; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, kPidVariable, std::strlen(kPidVariable)) == 0) {
      auto rest = static_cast<unsigned>(::getpid());
      for (std::size_t digit = kPidDigits; digit-- > 0; rest /= 10) {
        (*entry)[std::strlen(kPidVariable) + digit] = static_cast<char>('0' + rest % 10);
      }
    }
  }
}

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
  pass_descriptors(options.descriptors, envp);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(error, STDERR_FILENO);
  ::execvpe(argv[0], argv, envp);
  ::_exit(127);
}

// Readable once the process has ended.
UniqueFd open_pid(pid_t pid) {
  // glibc 2.36 declares pidfd_open without C linkage.
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

}  // namespace

Process::Process(const ProcessOptions& options)
    : output_(make_memory_file("stdout")), error_(make_memory_file("stderr")) {
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> additions = options.environment;
  if (!options.descriptors.empty()) {
    additions.push_back("LISTEN_FDS=" + std::to_string(options.descriptors.size()));
    additions.push_back(kPidVariable + std::string(kPidDigits, '0'));
  }
  std::vector<std::string> environment = environment_with(additions);
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
  pid_fd_ = open_pid(pid_);
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

std::vector<pid_t> Process::children() const {
  const std::string pid = std::to_string(pid_);
  std::ifstream list("/proc/" + pid + "/task/" + pid + "/children");
  return {std::istream_iterator<pid_t>(list), {}};
}

void Process::kill() {
  if (status_.has_value()) {
    return;
  }
  // Stopped, it forks no more.
  signal(SIGSTOP);
  std::vector<UniqueFd> ends;
  for (const pid_t child : children()) {
    ends.push_back(open_pid(child));
    ::kill(child, SIGKILL);
  }
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  status_ = 128 + SIGKILL;
  // What they held, a port or a lock, is free once they have ended.
  for (const UniqueFd& end : ends) {
    pollfd entry{.fd = end.get(), .events = POLLIN, .revents = 0};
    static_cast<void>(::poll(&entry, 1, static_cast<int>(kHangBound.count()) * 1000));
  }
}

bool is_alive(pid_t pid) {
  const UniqueFd process = open_pid(pid);
  pollfd entry{.fd = process.get(), .events = POLLIN, .revents = 0};
  return process.valid() && ::poll(&entry, 1, 0) == 0;
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
