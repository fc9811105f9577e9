// A thread that does little at a time and should do it soon: it asks for short turns on its core,
// and in return gets them ahead of threads that take long ones. What it gets in all stays the same.
#pragma once

#include <chrono>

namespace meshdns {

inline constexpr std::chrono::microseconds kShortTurn{100};  // the shortest that Linux gives

// Of the calling thread. Needs no right. Since Linux 6.12; older kernels give every thread the same
// turns, which this does not change, nor what somebody has chosen for a thread of another policy
// than the usual one.
void take_short_turns();

}  // namespace meshdns
