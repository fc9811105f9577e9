#include "resolver/forward/stream_patience.h"

#include <chrono>

#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;

TEST(StreamPatience, IsMiddlingWithAServerThatIsNotKnown) {
  const StreamPatience patience;
  EXPECT_EQ(patience.for_reply(), StreamPatience::kUnknown);
  EXPECT_EQ(patience.for_set_up(), StreamPatience::kUnknown);
}

TEST(StreamPatience, IsFourTimesWhatTheServersRepliesTakeWithinItsBounds) {
  StreamPatience quick;
  quick.note_reply(milliseconds(1));
  EXPECT_EQ(quick.for_reply(), StreamPatience::kShortest);
  StreamPatience slow;
  slow.note_reply(milliseconds(400));
  EXPECT_EQ(slow.for_reply(), milliseconds(1600));
  slow.note_reply(milliseconds(5000));
  EXPECT_EQ(slow.for_reply(), StreamPatience::kLongest);
}

TEST(StreamPatience, RisesAtOnceAndFallsByAndBy) {
  StreamPatience patience;
  patience.note_reply(milliseconds(1));
  patience.note_reply(milliseconds(480));
  EXPECT_EQ(patience.for_reply(), milliseconds(1920));
  patience.note_reply(milliseconds(80));
  EXPECT_EQ(patience.for_reply(), milliseconds(1720));
  for (int i = 0; i < 20; ++i) {
    patience.note_reply(milliseconds(1));
  }
  EXPECT_EQ(patience.for_reply(), StreamPatience::kShortest);
}

TEST(StreamPatience, IsTwiceAsLongAfterASilenceUntilSomethingComes) {
  StreamPatience patience;
  patience.note_reply(milliseconds(1));
  patience.note_silence();
  EXPECT_EQ(patience.for_reply(), 2 * StreamPatience::kShortest);
  EXPECT_EQ(patience.for_set_up(), StreamPatience::kLongest);
  patience.note_silence();
  EXPECT_EQ(patience.for_reply(), StreamPatience::kLongest);
  patience.note_message();
  EXPECT_EQ(patience.for_reply(), StreamPatience::kShortest);
}

// A question that meets two silences has time left for another server.
TEST(StreamPatience, LeavesTimeForAnotherServer) {
  StreamPatience patience;
  auto whole = patience.for_reply();
  patience.note_silence();
  whole += patience.for_reply();
  EXPECT_LE(whole, milliseconds(3500));
}

}  // namespace
}  // namespace meshdns::dns
