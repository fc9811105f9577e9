#include "base/utf8.h"

#include <string_view>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

TEST(Utf8, TakesTheWellFormedOctetsOfRfc3629) {
  for (const std::string_view text :
       {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndCuts) {
  for (const std::string_view text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2g", "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80",
        "\xef\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "a\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(Utf8, CountsTheOctetsOfTheFirstCharacter) {
  EXPECT_EQ(utf8_character_octets(""), 0U);
  EXPECT_EQ(utf8_character_octets("ab"), 1U);
  EXPECT_EQ(utf8_character_octets("\xc3\xbc!"), 2U);
  EXPECT_EQ(utf8_character_octets("\xe2\x82\xac"), 3U);
  EXPECT_EQ(utf8_character_octets("\xf0\x9f\x98\x80x"), 4U);
  EXPECT_EQ(utf8_character_octets("\xbc"), 0U) << "a second octet first";
  EXPECT_EQ(utf8_character_octets("\xe2\x82"), 0U) << "cut short";
}

}  // namespace
}  // namespace meshdns
