// The most memory that something has while it works on files. For programs with the allocation
// counter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tests/support/allocation_counter.h"
#include "tests/support/faulty_file_system.h"

namespace meshdns::support {

// The octets that `act` has at most, beside what was there before, as seen at each step on a file.
template <typename Act>
[[nodiscard]] std::size_t peak_of(FaultyFileSystem& files, const Act& act) {
  const std::size_t before = live_bytes();
  std::size_t peak = before;
  files.set_fault([&](FileStep, std::uint64_t) {
    peak = std::max(peak, live_bytes());
    return 0;
  });
  act();
  files.set_fault({});
  return peak - before;
}

}  // namespace meshdns::support
