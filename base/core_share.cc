#include "base/core_share.h"

#include <chrono>
#include <cstdint>
#include <sched.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/syscall.h>

namespace meshdns {
namespace {

// struct sched_attr of sched_setattr(2) in its first form: the C library has neither it nor the
// calls, and the kernel's header clashes with the C library's.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};
static_assert(sizeof(Attributes) == 48);

}  // namespace

void take_short_turns() {
  constexpr int kThisThread = 0;
  Attributes attributes;
  if (::syscall(SYS_sched_getattr, kThisThread, &attributes, sizeof attributes, 0) != 0 ||
      attributes.policy != SCHED_OTHER) {
    return;
  }
  attributes.size = sizeof attributes;
  attributes.runtime_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(kShortTurn).count());
  ::syscall(SYS_sched_setattr, kThisThread, &attributes, 0);
}

// Linux gives each thread a niceness of its own.
void give_way() {
  constexpr id_t kThisThread = 0;
  ::setpriority(PRIO_PROCESS, kThisThread, ::getpriority(PRIO_PROCESS, kThisThread) + kWayGiven);
}

}  // namespace meshdns
