#include "discovery/feeds/feed_log.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/result.h"
#include "discovery/feeds/feed_log_format.h"
#include "tests/discovery/feeds/feed_log_fixture.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/held_feed_log.h"

namespace meshdns::discovery {
namespace {

using support::FileStep;
using support::HeldFeedLog;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kFingerprint = FeedLogFixture::kFingerprint;

std::vector<std::string> held(const HeldFeedLog& log) {
  std::vector<std::string> lines;
  for (const auto& entry : log.held) {
    lines.push_back(entry.name + "@" + entry.version + "=" + entry.value);
  }
  return lines;
}

std::string make_sample() {
  std::string file;
  append_feed_header(kFingerprint, 7, file);
  FeedRecords records;
  records.set("default/a", "1", "value of a");
  file += records.take();
  records.set("default/b", "2", "value of b");
  file += records.take();
  records.say_whole(true);
  file += records.take();
  records.set("default/a", "3", "new value");
  file += records.take();
  records.drop("default/b");
  file += records.take();
  records.set("default/b", "", "back");
  return file + records.take();
}

// Six records, each of one change.
const std::string& sample() {
  static const std::string kSample = make_sample();
  return kSample;
}

TEST(FeedLogFormat, IsReadAsItWasWritten) {
  const HeldFeedLog contents = HeldFeedLog::read(sample(), kFingerprint);
  EXPECT_EQ(contents.summary.kind, FeedLogKind::kLog);
  EXPECT_EQ(contents.summary.generation, 7U);
  EXPECT_EQ(contents.summary.end_offset, sample().size());
  EXPECT_FALSE(contents.summary.cut);
  EXPECT_TRUE(contents.summary.whole);
  EXPECT_THAT(held(contents), ElementsAre("default/a@3=new value", "default/b@=back"));
  EXPECT_EQ(parse_feed_header(sample(), kFingerprint).generation, 7U);
}

TEST(FeedLogFormat, EveryPrefixIsWhatWasHeldBefore) {
  const std::string file = sample();
  std::string header;
  append_feed_header(kFingerprint, 7, header);
  std::size_t states = 0;
  std::uint64_t end = 0;
  for (std::size_t size = 0; size <= file.size(); ++size) {
    const HeldFeedLog contents =
        HeldFeedLog::read(std::string_view(file).substr(0, size), kFingerprint);
    if (size < header.size()) {
      EXPECT_EQ(contents.summary.kind, FeedLogKind::kMissing) << size;
      continue;
    }
    ASSERT_EQ(contents.summary.kind, FeedLogKind::kLog) << size;
    EXPECT_EQ(contents.summary.cut, contents.summary.end_offset != size) << size;
    EXPECT_EQ(held(HeldFeedLog::read(std::string_view(file).substr(0, contents.summary.end_offset),
                                     kFingerprint)),
              held(contents))
        << size;
    states += contents.summary.end_offset != end ? 1U : 0U;
    end = contents.summary.end_offset;
  }
  EXPECT_EQ(states, 7U) << "the header and six records";
}

TEST(FeedLogFormat, AFlippedBitEndsWhatIsBelieved) {
  const std::string file = sample();
  std::vector<std::vector<std::string>> states;
  for (std::size_t size = 0; size <= file.size(); ++size) {
    const auto contents = HeldFeedLog::read(std::string_view(file).substr(0, size), kFingerprint);
    if (!contents.summary.cut) {
      states.push_back(held(contents));
    }
  }
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string flipped = file;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    const HeldFeedLog contents = HeldFeedLog::read(flipped, kFingerprint);
    EXPECT_TRUE(contents.summary.kind != FeedLogKind::kLog || contents.summary.cut) << bit;
    EXPECT_THAT(states, testing::Contains(held(contents))) << bit;
  }
}

TEST(FeedLogFormat, TellsOtherFilesApart) {
  EXPECT_EQ(HeldFeedLog::read("", kFingerprint).summary.kind, FeedLogKind::kMissing);
  EXPECT_EQ(HeldFeedLog::read("mdns", kFingerprint).summary.kind, FeedLogKind::kMissing);
  EXPECT_EQ(HeldFeedLog::read("#!/bin/sh", kFingerprint).summary.kind, FeedLogKind::kForeign);
  EXPECT_EQ(HeldFeedLog::read("x", kFingerprint).summary.kind, FeedLogKind::kForeign);
  EXPECT_EQ(HeldFeedLog::read(sample(), "mesh=other").summary.kind, FeedLogKind::kOther);
  std::string newer = sample();
  newer[8] = 2;
  EXPECT_EQ(HeldFeedLog::read(newer, kFingerprint).summary.kind, FeedLogKind::kOtherVersion);
}

TEST(FeedLogFormat, ZeroesAfterTheEndAreNoRecords) {
  const HeldFeedLog contents = HeldFeedLog::read(sample() + std::string(4096, '\0'), kFingerprint);
  EXPECT_TRUE(contents.summary.cut);
  EXPECT_EQ(contents.summary.end_offset, sample().size());
}

TEST(FeedLogFormat, IsReadTheSameByBlocksOfAnySize) {
  const HeldFeedLog want = HeldFeedLog::read(sample(), kFingerprint);
  for (std::size_t block = 1; block <= sample().size(); ++block) {
    const HeldFeedLog read =
        HeldFeedLog::read(support::feed_log_source(sample(), block), kFingerprint);
    EXPECT_EQ(held(read), held(want)) << block;
    EXPECT_EQ(read.summary.end_offset, want.summary.end_offset) << block;
    EXPECT_TRUE(read.summary.whole) << block;
  }
}

TEST(FeedLogFormat, ALengthBeyondTheFileIsNotReadFor) {
  std::string file = sample();
  file += "\xff\xff\xff\x7f" + std::string(100, 'x');
  std::size_t most = 0;
  auto source = support::feed_log_source(file, 16);
  source.read = [&most, read = source.read](std::uint64_t offset, std::span<char> into) {
    most = std::max(most, into.size());
    return read(offset, into);
  };
  EXPECT_TRUE(HeldFeedLog::read(source, kFingerprint).summary.cut);
  EXPECT_LE(most, file.size());
}

TEST(FeedLogFormat, LargeTablesAreManyRecords) {
  FeedRecords records;
  for (int i = 0; i < 5; ++i) {
    records.set("default/" + std::to_string(i), "1", std::string(500'000, 'v'));
  }
  std::string file;
  append_feed_header(kFingerprint, 7, file);
  file += records.take();
  EXPECT_EQ(HeldFeedLog::read(file, kFingerprint).held.size(), 5U);
  EXPECT_EQ(HeldFeedLog::read(std::string_view(file).substr(0, file.size() - 1), kFingerprint)
                .held.size(),
            3U);
}

TEST(FeedLogFormat, TakesNoNameThatItCannotHold) {
  FeedRecords records;
  records.set("", "1", "v");
  records.set(std::string(65'536, 'n'), "1", "v");
  records.drop("");
  EXPECT_TRUE(records.empty());
  records.set("default/a", std::string(65'536, '9'), "v");
  std::string file;
  append_feed_header(kFingerprint, 7, file);
  file += records.take();
  EXPECT_THAT(held(HeldFeedLog::read(file, kFingerprint)), ElementsAre("default/a@=v"));
}

class FeedLogTest : public FeedLogFixture {
 protected:
  std::vector<std::string> on_disk() { return held(read_held()); }
  [[nodiscard]] bool is_whole() { return make().load()->summary().whole; }
  void write(const std::string& content) const {
    std::ofstream(path_, std::ios::binary) << content;
  }
  [[nodiscard]] std::string read(const std::string& path) const {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
};

TEST_F(FeedLogTest, KeepsWhatIsAppended) {
  {
    FeedLog log = open();
    ASSERT_TRUE(log.append(set("a")));
    ASSERT_TRUE(log.append(whole()));
    ASSERT_TRUE(log.sync());
    EXPECT_EQ(log.position(), make().peek());
  }
  FeedLog log = open();
  ASSERT_TRUE(log.append(set("b")));
  EXPECT_THAT(on_disk(), ElementsAre("a@1=v", "b@1=v"));
  EXPECT_TRUE(is_whole());
  EXPECT_EQ(log.position(), make().peek());
}

TEST_F(FeedLogTest, CoversWhatItOnceHad) {
  FeedLog log = open();
  ASSERT_TRUE(log.append(whole()));
  const auto before = log.position();
  ASSERT_TRUE(log.append(set("a")));
  const auto after = log.position();
  const auto now = *make().load();
  EXPECT_TRUE(now.covers(before));
  EXPECT_TRUE(now.covers(after));
  EXPECT_FALSE(now.covers({})) << "nobody knows what was known then";
  EXPECT_FALSE(now.covers({.generation = after.generation, .octets = after.octets + 1}));
  EXPECT_TRUE(now.covers({.generation = 99, .octets = 1'000'000})) << "written anew since";
}

TEST_F(FeedLogTest, CutsATornEndAndDoubtsTheRest) {
  std::string torn;
  append_feed_header(kFingerprint, 7, torn);
  torn += set("a") + whole() + set("b").substr(0, 9);
  write(torn);
  {
    const auto loaded = make().load();
    EXPECT_TRUE(loaded->summary().cut);
    EXPECT_TRUE(loaded->summary().whole) << "up to there";
  }
  FeedLog log = open();
  EXPECT_THAT(on_disk(), ElementsAre("a@1=v"));
  EXPECT_FALSE(is_whole()) << "the next start must know that something is missing";
  ASSERT_TRUE(log.append(whole()));
  EXPECT_TRUE(is_whole());
}

TEST_F(FeedLogTest, LeavesForeignFilesAlone) {
  write("somebody's diary");
  FeedLog log = make();
  const auto loaded = log.load();
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(log.begin(*loaded));
  EXPECT_TRUE(log.append(set("a")));
  EXPECT_TRUE(log.is_lost());
  EXPECT_FALSE(log.is_behind());
  EXPECT_EQ(read(path_), "somebody's diary");
}

TEST_F(FeedLogTest, SetsALogOfAnotherConfigurationAside) {
  std::string other;
  append_feed_header("mesh=other", 7, other);
  other += set("a");
  write(other);
  const FeedLog log = open();
  EXPECT_THAT(on_disk(), IsEmpty());
  EXPECT_EQ(read(path_ + ".old"), other);
}

TEST_F(FeedLogTest, IsWrittenAnewWhenMostOfItIsOld) {
  FeedLog log = open();
  ASSERT_TRUE(log.append(whole()));
  const auto first = log.position();
  const std::string value(500'000, 'v');
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(log.append(set("a", value)));
  }
  EXPECT_NE(log.position().generation, first.generation);
  EXPECT_LT(std::filesystem::file_size(path_), 6'000'000U);
  EXPECT_THAT(on_disk(), ElementsAre("a@1=" + value));
  EXPECT_TRUE(is_whole());
}

TEST_F(FeedLogTest, WhatAFullDiskRefusesIsWrittenLater) {
  FeedLog log = open();
  ASSERT_TRUE(log.append(set("a")));
  ASSERT_TRUE(log.append(whole()));
  files_.set_torn_write_bytes(5);
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? ENOSPC : 0; });
  const auto refused = log.append(set("b"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(log.append(set("c"))) << "told once";
  EXPECT_TRUE(log.is_behind());
  EXPECT_EQ(log.position(), FeedLog::Position());
  EXPECT_FALSE(log.retry());
  EXPECT_THAT(on_disk(), ElementsAre("a@1=v"));
  files_.set_fault({});
  ASSERT_TRUE(log.retry());
  EXPECT_FALSE(log.is_behind());
  EXPECT_THAT(on_disk(), ElementsAre("a@1=v", "b@1=v", "c@1=v"));
  EXPECT_TRUE(is_whole());
}

TEST_F(FeedLogTest, GivesUpWhenTooMuchWaits) {
  constexpr std::size_t kLarge = 40'000'000;
  FeedLog log = open();
  ASSERT_TRUE(log.append(set("a")));
  files_.set_fault([](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? EIO : 0; });
  const std::string large = set("b", std::string(kLarge, 'v'));
  EXPECT_FALSE(log.append(large));
  EXPECT_FALSE(log.is_lost());
  EXPECT_TRUE(log.append(large));
  EXPECT_TRUE(log.is_lost());
  EXPECT_FALSE(std::filesystem::exists(path_)) << "what it says is older than an image may be";
}

// Each step of two lives fails in turn, once: what is on disk afterwards is one of the states in
// order of time, and a last try without faults has everything.
TEST_F(FeedLogTest, NoFailingStepLosesWhatWasTold) {
  for (std::uint64_t failing = 0;; failing += failing < 32 ? 1 : 61) {
    SCOPED_TRACE(failing);
    std::filesystem::remove(path_);
    const std::uint64_t base = files_.steps();
    bool failed = false;
    files_.set_torn_write_bytes(failing % 20);
    files_.set_fault([&](FileStep, std::uint64_t index) {
      const bool now = index - base == failing;
      failed = failed || now;
      return now ? EIO : 0;
    });
    for (int life = 0; life < 2; ++life) {
      FeedLog log = make();
      const auto loaded = log.load();
      if (!loaded || !log.begin(*loaded)) {
        (void)log.retry();
      }
      (void)log.append(set(life == 0 ? "a" : "b"));
      (void)log.append(whole());
      (void)log.sync();
      if (life == 1) {
        (void)log.append(set("big", std::string(5'000'000, '1')));  // is written anew
      }
      if (log.is_behind()) {
        EXPECT_TRUE(log.retry());
      }
    }
    files_.set_fault({});
    EXPECT_THAT(on_disk(), testing::IsSupersetOf(std::vector<std::string>{
                               "b@1=v", "big@1=" + std::string(5'000'000, '1')}));
    if (!failed) {
      EXPECT_GT(failing, 20U);
      break;
    }
  }
}

}  // namespace
}  // namespace meshdns::discovery
