#include "resolver/app/setting_text.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ParseDuration, TakesWholeNumbersWithAUnitAndNothingElse) {
  struct Case {
    std::string text;
    std::optional<milliseconds> want;
  };
  const std::vector<Case> cases{
      {"1s", seconds(1)},     {"1500ms", milliseconds(1500)},
      {"5m", minutes(5)},     {"24h", hours(24)},
      {"1000ms", seconds(1)}, {"999ms", std::nullopt},
      {"25h", std::nullopt},  {"86401s", std::nullopt},
      {"30", std::nullopt},   {"s", std::nullopt},
      {"", std::nullopt},     {"-1s", std::nullopt},
      {"+1s", std::nullopt},  {"1.5s", std::nullopt},
      {" 1s", std::nullopt},  {"1s ", std::nullopt},
      {"1 s", std::nullopt},  {"1S", std::nullopt},
      {"1d", std::nullopt},   {"18446744073709551616s", std::nullopt},
      {"0x1s", std::nullopt}, {"18446744073709551615h", std::nullopt},
      {"0s", std::nullopt},   {"9223372036854775807ms", std::nullopt},
      {"1s1s", std::nullopt},
  };
  for (const Case& row : cases) {
    const auto got = parse_duration(row.text, seconds(1), hours(24));
    EXPECT_EQ(got ? std::optional(*got) : std::nullopt, row.want) << row.text;
  }
}

TEST(PrintDuration, UsesTheLargestExactUnit) {
  EXPECT_EQ(print_duration(seconds(30)), "30s");
  EXPECT_EQ(print_duration(seconds(60)), "1m");
  EXPECT_EQ(print_duration(hours(24)), "24h");
  EXPECT_EQ(print_duration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(print_duration(milliseconds(0)), "0ms");
}

TEST(ParseNumber, KeepsToItsRange) {
  EXPECT_EQ(parse_number("1", 1, 256).value(), 1U);
  EXPECT_EQ(parse_number("256", 1, 256).value(), 256U);
  for (const auto* text : {"0", "257", "", "-1", "1x", "0x1", "99999999999999999999"}) {
    EXPECT_FALSE(parse_number(text, 1, 256)) << text;
  }
}

TEST(ParseZone, FoldsCaseAndDropsTheFinalDot) {
  EXPECT_EQ(parse_zone("Mesh.").value(), "mesh");
  EXPECT_EQ(parse_zone("mesh.local").value(), "mesh.local");
  EXPECT_EQ(parse_zone(std::string(63, 'a')).value(), std::string(63, 'a'));
}

TEST(ParseZone, RefusesWhatIsNoZone) {
  const std::string long_label(64, 'a');
  std::string long_zone;
  for (int i = 0; i < 127; ++i) {
    long_zone += "a.";
  }
  long_zone += "a";  // 255 octets
  const std::vector<std::string> bad{"",    ".",    "..",       "a..b", ".mesh",    "mesh..",
                                     "a b", "a\nb", "\xc3\xa4", "*",    long_label, long_zone};
  for (const std::string& text : bad) {
    EXPECT_FALSE(parse_zone(text)) << text;
  }
}

TEST(ParseWord, LeavesNothingThatCouldLeadOutOfAFolder) {
  EXPECT_EQ(parse_word("vm-1_a.b", 63).value(), "vm-1_a.b");
  for (const auto* text : {"", ".", "..", "../x", "a/b", "-a", "a b", "a\n", "toolong"}) {
    EXPECT_FALSE(parse_word(text, 6)) << text;
  }
}

TEST(ParseBoolean, TakesTrueAndFalseOnly) {
  EXPECT_TRUE(parse_boolean("true").value());
  EXPECT_FALSE(parse_boolean("false").value());
  for (const auto* text : {"yes", "1", "True", "on", ""}) {
    EXPECT_FALSE(parse_boolean(text)) << text;
  }
}

}  // namespace
}  // namespace meshdns::dns
