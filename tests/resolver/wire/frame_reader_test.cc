#include "resolver/wire/frame_reader.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

using Octets = std::vector<std::uint8_t>;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Octets> take_all(FrameReader& reader) {
  std::vector<Octets> frames;
  while (const auto frame = reader.next()) {
    frames.emplace_back(frame->begin(), frame->end());
  }
  return frames;
}

TEST(FrameReader, CutsSeveralMessagesFromOnePiece) {
  FrameReader reader;
  reader.append(Octets{0, 1, 7, 0, 0, 0, 2, 8, 9, 0});
  EXPECT_THAT(take_all(reader), ElementsAre(Octets{7}, Octets{}, Octets{8, 9}));
  EXPECT_EQ(reader.buffered(), 1U);
}

TEST(FrameReader, PutsAMessageTogetherFromSingleOctets) {
  FrameReader reader;
  std::vector<Octets> frames;
  for (const std::uint8_t octet : Octets{0, 2, 1, 2, 0, 1, 3}) {
    reader.append(std::span(&octet, 1));
    for (Octets& frame : take_all(reader)) {
      frames.push_back(std::move(frame));
    }
  }
  EXPECT_THAT(frames, ElementsAre(Octets{1, 2}, Octets{3}));
  EXPECT_EQ(reader.buffered(), 0U);
}

TEST(FrameReader, HoldsTheLongestMessage) {
  FrameReader reader;
  Octets stream = {0xff, 0xff};
  stream.resize(2 + 65535, 5);
  reader.append(std::span(stream).first(65536));
  EXPECT_THAT(take_all(reader), IsEmpty());
  reader.append(std::span(stream).last(1));
  EXPECT_THAT(take_all(reader), ElementsAre(Octets(65535, 5)));
}

TEST(FrameReader, KeepsWhatIsLeftAcrossRelease) {
  FrameReader reader;
  reader.append(Octets{0, 3, 1, 2});
  reader.release();
  EXPECT_EQ(reader.buffered(), 4U);
  reader.append(Octets{3});
  EXPECT_THAT(take_all(reader), ElementsAre(Octets{1, 2, 3}));
  reader.release();
  EXPECT_EQ(reader.buffered(), 0U);
  reader.append(Octets{0, 1, 4});
  EXPECT_THAT(take_all(reader), ElementsAre(Octets{4}));
}

}  // namespace
}  // namespace meshdns::dns
