// What long runs measure of a resolver, and what they say meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/process_memory.h"
#include "tests/support/programs.h"

namespace meshdns::support {

// ASan keeps freed memory back to find its late users: a little of it will do here.
[[nodiscard]] inline std::vector<std::string> quiet_sanitizer() {
  return {"ASAN_OPTIONS=quarantine_size_mb=4:thread_local_quarantine_size_kb=64"};
}

// What resident memory may grow by over a run, at any number of repetitions. Allocators keep some,
// ASan's much more: it remembers where everything was allocated.
inline constexpr std::uint64_t kMemorySlackKib = 64 * 1024;

// The sum of a metric's cells; 0 when it has none.
[[nodiscard]] double metric_of(const ResolverProgram& resolver, const std::string& name);

// Says on standard output how far a run has come, every ten seconds.
class Progress {
 public:
  Progress(std::string what, std::uint64_t target);
  void show(std::uint64_t done);

 private:
  std::string what_;
  std::uint64_t target_;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace meshdns::support
