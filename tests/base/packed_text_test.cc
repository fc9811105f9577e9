#include "base/packed_text.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

TEST(PackedText, GivesBackAnyOctets) {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("\0a\0", 3), std::string(254, 'x'),
        std::string(255, 'y'), std::string(256, 'z'), std::string(100'000, 'x')}) {
    EXPECT_EQ(PackedText(text).view(), text);
    EXPECT_EQ(PackedText(text).empty(), text.empty());
  }
}

TEST(PackedText, KeepsItsOctetsWhereTheyAreWhenItMoves) {
  PackedText text("some text");
  const auto view = text.view();
  const PackedText moved = std::move(text);
  EXPECT_EQ(moved.view(), "some text");
  EXPECT_EQ(moved.view().data(), view.data());
}

TEST(PackedText, IsOnePointer) { EXPECT_EQ(sizeof(PackedText), sizeof(void*)); }

}  // namespace
}  // namespace meshdns
