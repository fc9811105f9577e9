#include "discovery/xds/grpc_log.h"

#include <chrono>
#include <optional>
#include <utility>

#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/manual_clock.h"

namespace meshdns::discovery {
namespace {

using namespace std::chrono_literals;

class GrpcLogTest : public testing::Test {
 protected:
  GrpcLogTest() { gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR); }  // as gRPC's start does
  void TearDown() override { gpr_set_log_function(nullptr); }

  support::ManualClock clock_;
  TestLog log_;
  std::optional<GrpcLog> grpc_log_{std::in_place, log_.logger(), clock_};
};

TEST_F(GrpcLogTest, AnErrorIsOneLineOfOursWhateverAPeerPutIntoIt) {
  testing::internal::CaptureStderr();
  gpr_log(GPR_ERROR, "status %d of \"peer\"\n\x1b[2J", 7);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(log_.text(),
            "warning gRPC says text=\"status 7 of \\034peer\\034\\010\\027[2J\" left_out=0\n");
}

TEST_F(GrpcLogTest, ErrorsComeOneASecondAndSayHowManyWereLeftOut) {
  for (int i = 1; i <= 1000; ++i) {
    gpr_log(GPR_ERROR, "error %d", i);
  }
  clock_.advance(1s);
  gpr_log(GPR_ERROR, "later");
  clock_.advance(1s);
  gpr_log(GPR_ERROR, "later still");
  EXPECT_EQ(log_.text(),
            "warning gRPC says text=\"error 1\" left_out=0\n"
            "warning gRPC says text=\"later\" left_out=999\n"
            "warning gRPC says text=\"later still\" left_out=0\n");
}

TEST_F(GrpcLogTest, WhatIsLessThanAnErrorIsHeardWhenItIsAskedFor) {
  gpr_log(GPR_INFO, "not asked for");
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
  gpr_log(GPR_INFO, "asked for");
  gpr_log(GPR_INFO, "at any rate");
  EXPECT_EQ(log_.text(),
            "info gRPC says text=\"asked for\"\ninfo gRPC says text=\"at any rate\"\n");
}

TEST_F(GrpcLogTest, WhatItSaysBeforeItAbortsIsOnStandardErrorAtOnce) {
  EXPECT_DEATH(GPR_ASSERT(1 == 2), "gRPC: assertion failed: 1 == 2 \\(.*grpc_log_test.cc:");
}

TEST_F(GrpcLogTest, NothingIsHeardOnceTheLogIsGone) {
  grpc_log_.reset();
  testing::internal::CaptureStderr();
  gpr_log(GPR_ERROR, "too late");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(log_.text(), "");
}

}  // namespace
}  // namespace meshdns::discovery
