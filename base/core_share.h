// How a thread shares its core with the others that want it.
#pragma once

#include <chrono>

namespace meshdns {

inline constexpr std::chrono::microseconds kShortTurn{100};  // the shortest that Linux gives

// Of the calling thread, which does little at a time and should do it soon: it gets short turns
// ahead of threads that take long ones. What it gets in all stays the same. Needs no right. Since
// Linux 6.12; older kernels give every thread the same turns, which this does not change, nor what
// somebody has chosen for a thread of another policy than the usual one.
void take_short_turns();

inline constexpr int kWayGiven = 5;  // levels of nice(2): a third of what each of the others gets

// Of the calling thread, and those that it begins afterwards: what they do can wait a little for
// whoever wants their core; they have all that is left of it. Needs no right, and cannot be taken
// back.
void give_way();

}  // namespace meshdns
