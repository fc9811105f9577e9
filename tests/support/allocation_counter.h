// Counts the calls of operator new in the program that links it, of all threads. For tests that
// claim to allocate nothing; link it into a program of its own.
#pragma once

#include <cstddef>

namespace meshdns::support {

[[nodiscard]] std::size_t allocation_count();

}  // namespace meshdns::support
