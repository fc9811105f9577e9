#include "tests/support/process_memory.h"

#include <cstdint>
#include <fstream>
#include <string>

#include <sys/types.h>

namespace meshdns::support {

std::uint64_t resident_kib(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") {
      std::uint64_t kib = 0;
      status >> kib;
      return kib;
    }
  }
  return 0;
}

}  // namespace meshdns::support
