// How many descriptors this process may open. The soft limit, often 1024, is for programs that use
// select(); we do not, and take what the hard limit gives.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace meshdns {

// Enough for what a program opens at its start, libraries included (gRPC ends the process when it
// gets no descriptor then), and for some clients.
inline constexpr std::uint64_t kLeastDescriptors = 64;
// More is of no use to us, and a million makes some libraries slow.
inline constexpr std::uint64_t kMostDescriptors = 65536;

// Raises RLIMIT_NOFILE's soft limit towards kMostDescriptors as far as the hard one lets it, and
// never lowers it. Returns the limit in force; fails when that is below kLeastDescriptors. To be
// called at the start, from main.
[[nodiscard]] Result<std::uint64_t> raise_descriptor_limit();

// Fails, with both numbers, when this process may open fewer than `needed`.
[[nodiscard]] Result<void> check_descriptor_limit(std::uint64_t needed);

}  // namespace meshdns
