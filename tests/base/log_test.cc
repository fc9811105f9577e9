#include "base/log.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns {
namespace {

// Runs `work` with a fresh Logs and returns what it wrote to standard error.
template <typename Work>
std::string logged(const LogOptions& options, Work work) {
  testing::internal::CaptureStderr();
  {
    const auto logs = Logs::create(options).value();
    work(*logs);
  }
  return testing::internal::GetCapturedStderr();
}

TEST(Logs, WritesLinesOfItsLevelAndAbove) {
  const std::string lines = logged({"warn", LogFormat::kText}, [](Logs& logs) {
    logs.logger("vip").info("quiet");
    logs.logger("vip").warn("pool exhausted leases={}", 7);
  });
  EXPECT_EQ(lines.find("quiet"), std::string::npos);
  EXPECT_NE(lines.find("warning vip: pool exhausted leases=7\n"), std::string::npos) << lines;
}

TEST(Logs, WritesOneJsonObjectALineWhateverTheMessage) {
  const std::string lines = logged({"info", LogFormat::kJson}, [](Logs& logs) {
    logs.logger("dns").info("a \"quote\"\nand \\ more\xff");
  });
  EXPECT_NE(lines.find(R"("message":"a \"quote\"\u000aand \\ more\ufffd")"), std::string::npos)
      << lines;
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1);
}

TEST(Logs, ChangesTheLevelOfExistingLoggers) {
  const std::string lines = logged({"error", LogFormat::kText}, [](Logs& logs) {
    Logger& logger = logs.logger("xds");
    ASSERT_TRUE(logs.set_level("debug"));
    logger.debug("now visible");
  });
  EXPECT_NE(lines.find("now visible"), std::string::npos);
}

TEST(Logs, RefusesAnUnknownLevel) { EXPECT_FALSE(Logs::create({"loud", LogFormat::kText})); }

TEST(Logs, EndWhileNobodyReadsWhatTheyWrite) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const UniqueFd before(::dup(STDERR_FILENO));
  ::dup2(writer.get(), STDERR_FILENO);
  {
    const auto logs = Logs::create({"info", LogFormat::kText}).value();
    for (int i = 0; i < 10'000; ++i) {  // more than the pipe and the queue hold
      logs->logger("dns").info("{}", std::string(200, 'x'));
    }
  }
  ::dup2(before.get(), STDERR_FILENO);
  writer.reset();
  std::string read(100, '\0');
  ASSERT_EQ(::read(reader.get(), read.data(), read.size()), 100);
  EXPECT_NE(read.find("info dns: xxx"), std::string::npos);
}

TEST(EscapeName, LeavesNothingThatCouldForgeALine) {
  EXPECT_EQ(escape_name("web.mesh"), "web.mesh");
  EXPECT_EQ(escape_name("a\nb\"c\\d\xff e"), "a\\010b\\034c\\092d\\255\\032e");
}

TEST(EscapeText, KeepsSpacesAndNothingThatCouldEndAQuotation) {
  EXPECT_EQ(escape_text("two words\n\"\xff\t"), "two words\\010\\034\\255\\009");
  EXPECT_EQ(escape_text("'a' is no b\\"), "'a' is no b\\092");
}

}  // namespace
}  // namespace meshdns
