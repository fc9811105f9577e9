#include "resolver/wire/wire_reader.h"

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "resolver/wire/name.h"
#include "tests/support/dns_message.h"

namespace meshdns::dns {
namespace {

using support::MessageBytes;
using support::Octets;

TEST(WireReader, ReadsBigEndianIntegers) {
  const Octets octets{1, 2, 3, 4, 5, 6, 7};
  WireReader reader(octets);
  EXPECT_EQ(reader.read_u8(), 1);
  EXPECT_EQ(reader.read_u16(), 0x0203);
  EXPECT_EQ(reader.read_u32(), 0x04050607U);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0);
}

TEST(WireReader, FailsForGoodAtTheFirstReadPastTheEnd) {
  const Octets octets{1, 2, 3};
  WireReader reader(octets);
  EXPECT_EQ(reader.read_u32(), 0);
  EXPECT_EQ(reader.error(), WireError::kCut);
  EXPECT_EQ(reader.read_u8(), 0);
  EXPECT_FALSE(reader.ok());
}

TEST(WireReader, StartsAtTheEndWhenToldToStartBehindIt) {
  const Octets octets{1, 2, 3};
  WireReader reader(octets, 9);
  EXPECT_EQ(reader.remaining(), 0);
  EXPECT_EQ(reader.read_u8(), 0);
  EXPECT_FALSE(reader.ok());
}

// Each message stands behind a header and is read from its offset there. Pointers lead from the
// message's first octet, so offset 12 is the first behind the header.
struct NameCase {
  std::string what;
  Octets behind_header;
  std::size_t offset;
  WireError error;
  std::string text;   // when read
  std::size_t after;  // offset behind the name
};

Octets long_chain() {
  // 127 labels, each but the first ending in a pointer to the one before: 255 octets in the end.
  // One more is too long.
  MessageBytes bytes;
  bytes.octets({1, 'a', 0});
  for (unsigned i = 0; i < 126; ++i) {
    bytes.octets({1, 'a'}).pointer(i == 0 ? 12 : 15 + (i - 1) * 4);
  }
  return bytes.bytes();
}

std::vector<NameCase> name_cases() {
  const Octets chain = long_chain();
  return {
      {"plain", {3, 'w', 'e', 'b', 0}, 0, WireError::kNone, "web.", 5},
      {"pointer", {1, 'a', 0, 1, 'b', 0xc0, 12}, 3, WireError::kNone, "b.a.", 7},
      {"pointer alone", {1, 'a', 0, 0xc0, 12}, 3, WireError::kNone, "a.", 5},
      {"two pointers", {1, 'a', 0, 1, 'b', 0xc0, 12, 0xc0, 15}, 7, WireError::kNone, "b.a.", 9},
      {"pointer to itself", {0xc0, 12}, 0, WireError::kBadPointer, "", 0},
      {"pointer to the name's own start", {1, 'a', 0xc0, 12}, 0, WireError::kBadPointer, "", 0},
      {"pointer forwards", {0xc0, 14, 0}, 0, WireError::kBadPointer, "", 0},
      {"two that point to each other", {0xc0, 14, 0xc0, 12}, 2, WireError::kBadPointer, "", 0},
      {"pointer to the header", {1, 'a', 0, 0xc0, 11}, 3, WireError::kBadPointer, "", 0},
      {"cut label", {3, 'w', 'e'}, 0, WireError::kCut, "", 0},
      {"no end", {1, 'a'}, 0, WireError::kCut, "", 0},
      {"cut pointer", {0, 0xc0}, 1, WireError::kCut, "", 0},
      {"label type 01", {0x41, 'a', 0}, 0, WireError::kBadLabel, "", 0},
      {"label type 10", {0x80, 'a', 0}, 0, WireError::kBadLabel, "", 0},
      {"nothing", {}, 0, WireError::kCut, "", 0},
      {"253 octets through 126 pointers", chain, 3 + 124 * 4, WireError::kNone, "", 3 + 125 * 4},
      {"longest of all", chain, 3 + 125 * 4, WireError::kNone, "", 3 + 126 * 4},
  };
}

Octets message_of(const NameCase& row) {
  Octets message(12);
  message.insert(message.end(), row.behind_header.begin(), row.behind_header.end());
  return message;
}

TEST(WireReader, ReadsCompressedNamesStrictlyBackwards) {
  for (const NameCase& row : name_cases()) {
    const Octets message = message_of(row);
    WireReader reader(message, 12 + row.offset);
    Name name;
    reader.read_name(name);
    EXPECT_EQ(reader.error(), row.error) << row.what;
    if (row.error == WireError::kNone) {
      EXPECT_EQ(reader.offset(), 12 + row.after) << row.what;
      EXPECT_TRUE(row.text.empty() || name.to_text() == row.text) << name.to_text();
    }
  }
}

TEST(WireReader, RejectsANameThatExpandsBeyond255Octets) {
  const Octets chain = long_chain();
  const std::size_t start = 12 + chain.size();
  const Octets message = MessageBytes()
                             .octets(Octets(12))
                             .octets(chain)
                             .octets({1, 'a'})
                             .pointer(static_cast<unsigned>(start - 4))
                             .bytes();
  WireReader reader(message, start);
  Name name;
  reader.read_name(name);
  EXPECT_EQ(reader.error(), WireError::kNameTooLong);
}

// They need no label between them, and so no name ends the chain by its length.
TEST(WireReader, FollowsNoMorePointersThanANameCanHaveLabels) {
  constexpr unsigned kMost = 128;
  MessageBytes bytes;
  bytes.octets(Octets(12)).octets({1, 'a', 0});
  for (unsigned i = 0; i <= kMost; ++i) {
    bytes.pointer(i == 0 ? 12 : 15 + (i - 1) * 2);
  }
  Name name;
  WireReader most(bytes.bytes(), 15 + (kMost - 1) * 2);
  most.read_name(name);
  EXPECT_EQ(most.error(), WireError::kNone);
  EXPECT_EQ(name.to_text(), "a.");
  WireReader one_more(bytes.bytes(), 15 + kMost * 2);
  one_more.read_name(name);
  EXPECT_EQ(one_more.error(), WireError::kBadPointer);
}

TEST(WireReader, TakesNoPointerWhereAPlainNameIsDue) {
  const Octets message{0, 1, 'a', 0xc0, 0};
  WireReader reader(message, 1);
  EXPECT_TRUE(reader.read_plain_name().is_root());
  EXPECT_EQ(reader.error(), WireError::kBadPointer);
}

TEST(WireReader, TakesAPlainNameOf255OctetsButNot256) {
  MessageBytes longest;
  longest.name(support::longest_name());
  WireReader good(longest.bytes());
  EXPECT_EQ(good.read_plain_name().size(), 255);
  Octets longer = longest.bytes();
  longer.insert(longer.begin(), {1, 'x'});
  WireReader bad(longer);
  (void)bad.read_plain_name();
  EXPECT_EQ(bad.error(), WireError::kNameTooLong);
}

TEST(WireReader, SkipsAPlainNameOf255OctetsButNot256) {
  MessageBytes longest;
  longest.name(support::longest_name());
  WireReader good(longest.bytes());
  good.skip_name();
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.offset(), 255);
  // One octet more in the last label of four, so that each label begins within 255 octets.
  Octets longer = longest.bytes();
  ++longer.at(longer.size() - 63);
  longer.insert(longer.end() - 1, 'x');
  WireReader bad(longer);
  bad.skip_name();
  EXPECT_EQ(bad.error(), WireError::kNameTooLong);
}

TEST(WireReader, SkipsNamesWithTheSameRules) {
  for (const NameCase& row : name_cases()) {
    const Octets message = message_of(row);
    WireReader reader(message, 12 + row.offset);
    reader.skip_name();
    if (row.error == WireError::kNone) {
      EXPECT_TRUE(reader.ok()) << row.what;
      EXPECT_EQ(reader.offset(), 12 + row.after) << row.what;
    } else if (row.what != "two that point to each other") {  // it does not follow pointers
      EXPECT_FALSE(reader.ok()) << row.what;
    }
  }
}

}  // namespace
}  // namespace meshdns::dns
