// How a child process ended, in words for the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace meshdns::dns {

struct ChildDeath {
  int status = 0;  // of waitpid(2)
  // The kernel killed for memory in our cgroup while it ran.
  bool oom_killed = false;

  // Nothing when a signal ended it.
  [[nodiscard]] std::optional<int> exit_code() const;
  // "out of memory (signal 9, Killed)", "signal 6 (Aborted)", "exit code 3".
  [[nodiscard]] std::string to_string() const;
};

// How often the kernel has killed for memory in our cgroup; nothing where it does not tell.
[[nodiscard]] std::optional<std::uint64_t> count_oom_kills();

}  // namespace meshdns::dns
