#include "bench/program.h"

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include "base/result.h"

namespace meshdns::bench {
namespace {

struct Line {
  std::string wish;
};

Result<void> grant(const Line& line) {
  if (line.wish == "fail") {
    return fail(ErrorCode::kIo, "the disk is full");
  }
  if (line.wish == "throw") {
    throw std::runtime_error("thrown");
  }
  return {};
}

void declare(CLI::App& app, Line& line) { app.add_option("--wish", line.wish, "it")->required(); }

struct Outcome {
  int status = 0;
  std::string error;
};

Outcome run_with(std::string option, std::string wish) {
  std::string name = "program";
  std::array<char*, 4> arguments{name.data(), option.data(), wish.data(), nullptr};
  ::testing::internal::CaptureStderr();
  const int status = run_program<Line, declare, grant>("meshdns-bench-wish", "Grants a wish.", 3,
                                                       arguments.data());
  return {status, ::testing::internal::GetCapturedStderr()};
}

TEST(Program, EndsWithZeroWhenItsWorkIsDone) {
  const Outcome outcome = run_with("--wish", "peace");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.error, "");
}

TEST(Program, SaysWhatFailedBehindItsNameAndEndsWithOne) {
  const Outcome failed = run_with("--wish", "fail");
  EXPECT_EQ(failed.status, 1);
  EXPECT_EQ(failed.error, "meshdns-bench-wish: the disk is full\n");

  const Outcome thrown = run_with("--wish", "throw");
  EXPECT_EQ(thrown.status, 1);
  EXPECT_EQ(thrown.error, "meshdns-bench-wish: thrown\n");
}

TEST(Program, RefusesACommandLineThatIsWrongAndDoesNothing) {
  const Outcome outcome = run_with("--wisch", "throw");
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.error.find("--wish is required"), std::string::npos) << outcome.error;
}

}  // namespace
}  // namespace meshdns::bench
