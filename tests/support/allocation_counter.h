// Counts the calls of operator new in the program that links it, of all threads, and the octets it
// has given. For tests that claim to allocate nothing, or little; link it into a program of its
// own.
#pragma once

#include <cstddef>

namespace meshdns::support {

[[nodiscard]] std::size_t allocation_count();

// What operator new has given and delete not taken back, as large as the heap made it.
[[nodiscard]] std::size_t live_bytes();

}  // namespace meshdns::support
