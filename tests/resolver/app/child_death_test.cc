#include "resolver/app/child_death.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>

namespace meshdns::dns {
namespace {

TEST(ChildDeath, IsNamedBySignalExitCodeOrMemory) {
  EXPECT_EQ((ChildDeath{.status = W_EXITCODE(0, SIGABRT)}.to_string()), "signal 6 (Aborted)");
  EXPECT_EQ((ChildDeath{.status = W_EXITCODE(3, 0)}.to_string()), "exit code 3");
  EXPECT_EQ((ChildDeath{.status = W_EXITCODE(4, 0)}.to_string()), "out of memory: exit code 4");
  EXPECT_EQ((ChildDeath{.status = W_EXITCODE(0, SIGKILL), .oom_killed = true}.to_string()),
            "out of memory: signal 9 (Killed)");
  EXPECT_EQ((ChildDeath{.status = W_EXITCODE(0, SIGSEGV), .oom_killed = true}.to_string()),
            "signal 11 (Segmentation fault)")
      << "it was another process that the kernel killed";
}

}  // namespace
}  // namespace meshdns::dns
