#include "base/core_share.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <sched.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>

namespace meshdns {
namespace {

// The length of the calling thread's turns as sched_getattr(2) tells it; 0 where it tells none.
std::uint64_t turn_ns() {
  constexpr std::size_t kRuntimePlace = 3;
  std::array<std::uint64_t, 6> attributes{};
  EXPECT_EQ(::syscall(SYS_sched_getattr, 0, attributes.data(), sizeof attributes, 0), 0);
  return attributes.at(kRuntimePlace);
}

// Each in a thread of its own: nobody else's turns change.
void in_a_thread(void (*test)()) { std::thread(test).join(); }

TEST(ShortTurns, AreHadWhereTheKernelKnowsThem) {
  in_a_thread([] {
    const bool is_known = turn_ns() != 0;  // not before Linux 6.12
    take_short_turns();
    EXPECT_EQ(turn_ns(), is_known ? 100'000U : 0U);
  });
}

TEST(ShortTurns, LeavePolicyAndNicenessAsTheyAre) {
  in_a_thread([] {
    ASSERT_EQ(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 7), 0);
    take_short_turns();
    EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())), 7);
  });
}

TEST(ShortTurns, AreNotForAThreadOfAnotherPolicy) {
  in_a_thread([] {
    const sched_param none{};
    ASSERT_EQ(::sched_setscheduler(0, SCHED_BATCH, &none), 0);
    const auto before = turn_ns();
    take_short_turns();
    EXPECT_EQ(::sched_getscheduler(0), SCHED_BATCH);
    EXPECT_EQ(turn_ns(), before);
  });
}

int niceness() { return ::getpriority(PRIO_PROCESS, 0); }

TEST(GivingWay, IsOfTheThreadAndOfThoseItBegins) {
  const int before = niceness();
  in_a_thread([] {
    const int usual = niceness();
    give_way();
    EXPECT_EQ(niceness(), std::min(usual + kWayGiven, 19));
    int inherited = 0;
    std::thread([&] { inherited = niceness(); }).join();
    EXPECT_EQ(inherited, niceness());
  });
  EXPECT_EQ(niceness(), before);
}

TEST(GivingWay, EndsWhereThereIsNoMoreToGive) {
  in_a_thread([] {
    for (int i = 0; i < 5; ++i) {
      give_way();
    }
    EXPECT_EQ(niceness(), 19);
  });
}

}  // namespace
}  // namespace meshdns
