// Counts the calls of operator new in the program that links it, of all threads, and the octets it
// has given. For tests that claim to allocate nothing, or little, and for those of what happens
// when memory is short; link it into a program of its own.
#pragma once

#include <cstddef>

namespace meshdns::support {

[[nodiscard]] std::size_t allocation_count();

// What operator new has given and delete not taken back, as large as the heap made it.
[[nodiscard]] std::size_t live_bytes();

// While it lives, operator new gives no piece larger than this, to any thread. One at a time.
class ShortMemory {
 public:
  explicit ShortMemory(std::size_t most_octets);
  ShortMemory(const ShortMemory&) = delete;
  ShortMemory& operator=(const ShortMemory&) = delete;
  ~ShortMemory();
};

}  // namespace meshdns::support
