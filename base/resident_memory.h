// How much memory this process occupies, as the kernel counts it.
#pragma once

#include <cstdint>

namespace meshdns {

// In octets (proc(5), /proc/self/statm); 0 where the kernel does not say. Any thread.
[[nodiscard]] std::uint64_t resident_octets();

}  // namespace meshdns
