#include "base/log.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

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
  EXPECT_NE(lines.find(R"("message":"a \"quote\"\u000aand \\ more\u00ff")"), std::string::npos)
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

TEST(EscapeName, LeavesNothingThatCouldForgeALine) {
  EXPECT_EQ(escape_name("web.mesh"), "web.mesh");
  EXPECT_EQ(escape_name("a\nb\"c\\d\xff e"), "a\\010b\\034c\\092d\\255\\032e");
}

TEST(EscapeText, KeepsSpacesAndNothingThatCouldEndAQuotation) {
  EXPECT_EQ(escape_text("two words\n\"\xff\t"), "two words\\010\\034\\255\\009");
}

}  // namespace
}  // namespace meshdns
