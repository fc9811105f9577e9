#include "resolver/app/child_death.h"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <sys/wait.h>

#include "base/exit_code.h"

namespace meshdns::dns {
namespace {

std::optional<std::uint64_t> read_oom_kills(const std::string& path) {
  std::ifstream events(path);
  std::string word;
  std::uint64_t count = 0;
  while (events >> word >> count) {
    if (word == "oom_kill") {
      return count;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> ChildDeath::exit_code() const {
  return WIFEXITED(status) ? std::optional(WEXITSTATUS(status)) : std::nullopt;
}

std::string ChildDeath::to_string() const {
  const auto code = exit_code();
  const bool no_memory = code ? *code == static_cast<int>(ExitCode::kMemory)
                              : oom_killed && WTERMSIG(status) == SIGKILL;
  const char* const name = code ? nullptr : ::sigdescr_np(WTERMSIG(status));
  const std::string how =
      code ? fmt::format("exit code {}", *code)
           : fmt::format("signal {} ({})", WTERMSIG(status), name == nullptr ? "unknown" : name);
  return no_memory ? "out of memory: " + how : how;
}

std::optional<std::uint64_t> count_oom_kills() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    const std::string path = line.substr(line.rfind(':') + 1);
    if (line.starts_with("0::")) {
      if (const auto count = read_oom_kills("/sys/fs/cgroup" + path + "/memory.events")) {
        return count;
      }
    } else if (line.find(":memory:") != std::string::npos) {  // version 1
      return read_oom_kills("/sys/fs/cgroup/memory" + path + "/memory.oom_control");
    }
  }
  return std::nullopt;
}

}  // namespace meshdns::dns
