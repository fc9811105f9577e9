#include "base/descriptor_limit.h"

#include <algorithm>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/result.h"

namespace meshdns {
namespace {

// The limits of this process are as they were after each test.
class DescriptorLimit : public ::testing::Test {
 public:
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 protected:
  DescriptorLimit() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimit() override { setrlimit(RLIMIT_NOFILE, &before_); }

  static rlimit current() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit;
  }

  rlimit before_{};
};

TEST_F(DescriptorLimit, IsRaisedAsFarAsTheHardOneLets) {
  rlimit low = before_;
  low.rlim_cur = kLeastDescriptors;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto limit = raise_descriptor_limit();
  ASSERT_TRUE(limit.has_value());
  EXPECT_EQ(*limit, std::min<rlim_t>(before_.rlim_max, kMostDescriptors));
  EXPECT_EQ(current().rlim_cur, *limit);
  EXPECT_EQ(current().rlim_max, before_.rlim_max);
}

TEST_F(DescriptorLimit, IsNeverLowered) {
  if (before_.rlim_max <= kMostDescriptors) {
    GTEST_SKIP() << "the hard limit leaves no room above ours";
  }
  rlimit high = before_;
  high.rlim_cur = kMostDescriptors + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &high), 0);
  EXPECT_EQ(raise_descriptor_limit().value(), kMostDescriptors + 1);
}

// Run in a child: a hard limit cannot be taken back.
[[noreturn]] void exit_with_whether_too_few_are_refused() {
  rlimit few{};
  few.rlim_cur = kLeastDescriptors - 1;
  few.rlim_max = few.rlim_cur;
  setrlimit(RLIMIT_NOFILE, &few);
  const auto limit = raise_descriptor_limit();
  const bool named = !limit && limit.error().message.find("63") != std::string::npos;
  _exit(named ? 0 : 1);
}

TEST_F(DescriptorLimit, TooFewAreRefusedWithTheNumber) {
  EXPECT_EXIT(exit_with_whether_too_few_are_refused(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace meshdns
