// What a program occupies, as the kernel counts it.
#pragma once

#include <cstdint>

#include <sys/types.h>

namespace meshdns::support {

// Resident memory in KiB; 0 when there is no such process.
[[nodiscard]] std::uint64_t resident_kib(pid_t process);

}  // namespace meshdns::support
