#include "resolver/app/spelling.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

constexpr std::array<std::string_view, 10> kWords{
    "mode", "listen",        "ttl",       "upstreams", "upstreams.servers",
    "vip",  "vip.ipv4_pool", "log.level", "node_name", "control_plane.node",
};

TEST(NearestWord, ForgivesSlipsByTheLengthOfTheWord) {
  struct Case {
    std::string word;
    std::string want;
  };
  const std::vector<Case> cases{
      {"listen", "listen"},
      {"lisen", "listen"},
      {"listenn", "listen"},
      {"listne", "listen"},
      {"lisnte", "listen"},
      {"liistenn", "listen"},
      {"lyzten", "listen"},
      {"lyztan", ""},
      {"tll", "ttl"},
      {"tl", "ttl"},
      {"lt", ""},
      {"tttt", ""},
      {"vips", "vip"},
      {"upstream", "upstreams"},
      {"", ""},
      {"whatever", ""},
      {"x", ""},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(nearest_word(row.word, kWords), row.want) << row.word;
  }
}

TEST(NearestWord, FindsAKeyWithoutItsSectionOrInAnother) {
  EXPECT_EQ(nearest_word("ipv4_pool", kWords), "vip.ipv4_pool");
  EXPECT_EQ(nearest_word("ipv4pool", kWords), "vip.ipv4_pool");
  EXPECT_EQ(nearest_word("servers", kWords), "upstreams.servers");
  EXPECT_EQ(nearest_word("logging.level", kWords), "log.level");
  EXPECT_EQ(nearest_word("log-level", kWords), "log.level");
  // Whole beats near: `node` is one slip from `mode`.
  EXPECT_EQ(nearest_word("node", kWords), "control_plane.node");
}

TEST(NearestWord, TakesTheFirstOfEquals) {
  constexpr std::array<std::string_view, 2> kTwins{"vip.ipv4", "vip.ipv6"};
  EXPECT_EQ(nearest_word("vip.ipv5", kTwins), "vip.ipv4");
}

TEST(NearestWord, PassesOverAWordThatIsTooLongToBeASlip) {
  const std::string longest(1'000'000, 'a');
  const std::vector<std::string_view> words{longest};
  EXPECT_EQ(nearest_word(longest, words), "");
}

TEST(Suggestion, SaysWhatToWriteEitherWay) {
  EXPECT_EQ(suggestion("lisen", kWords, "remove it"), " (did you mean listen?)");
  EXPECT_EQ(suggestion("whatever", kWords, "remove it"), " (remove it)");
}

}  // namespace
}  // namespace meshdns::dns
