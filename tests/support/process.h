// A program that a test starts. It never outlives the test: the destructor kills it and what it
// has forked, and so does the kernel if the test itself dies.
//
// One thread uses a Process. Start it from a thread that lives as long as the test.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

struct ProcessOptions {
  std::vector<std::string> argv;              // argv[0] is looked up in PATH
  std::vector<std::string> environment = {};  // "NAME=VALUE", before the test's own but MESHDNS_*
  int network_namespace = -1;                 // a namespace's descriptor to enter first
  // What it has open beside the three streams, as 3, 4, ...; with LISTEN_FDS and LISTEN_PID set.
  std::vector<int> descriptors = {};
  // RLIMIT_FSIZE, with SIGXFSZ ignored: a disk that is full.
  std::optional<std::uint64_t> max_file_bytes = std::nullopt;
};

class Process {
 public:
  // Throws std::system_error when no process can be made. A program that cannot be executed exits
  // with 127.
  explicit Process(const ProcessOptions& options);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The processes that it has forked and that are there now, oldest first.
  [[nodiscard]] std::vector<pid_t> children() const;

  // The exit code, or 128 + the signal that ended it; nothing while it runs after `bound`.
  [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds bound = kHangBound);
  [[nodiscard]] bool is_running() { return !wait(std::chrono::milliseconds(0)).has_value(); }
  // SIGKILL for it and its children, and the end of all.
  void kill();

  // Everything written so far.
  [[nodiscard]] std::string standard_output() const;
  [[nodiscard]] std::string standard_error() const;

 private:
  UniqueFd output_;
  UniqueFd error_;
  UniqueFd pid_fd_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// Whether a process is there, dead ones that nobody has waited for not counted.
[[nodiscard]] bool is_alive(pid_t pid);

struct CommandResult {
  int exit_code = -1;  // -1: it had to be killed after the hang bound
  std::string output;
  std::string error;
};

// Runs a program to its end.
[[nodiscard]] CommandResult run_command(const std::vector<std::string>& argv,
                                        std::chrono::milliseconds bound = kHangBound);

}  // namespace meshdns::support
