#include "discovery/control/entity_log.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/feeds/feed_log_reader.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using support::FaultyFileSystem;
using support::FileStep;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class EntityLogTest : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<EntityLog> open() {
    return EntityLog::open(state_, files_).value();
  }
  static Result<void> put(EntityLog& log, const std::string& name, const std::string& value) {
    return log.store(name, std::make_shared<const StoredEntity>(StoredEntity{"now", value}));
  }
  static std::map<std::string, std::string> contents(const EntityLog& log) {
    std::map<std::string, std::string> all;
    for (const auto& [name, entity] : log.entities()) {
      all.emplace(name, entity->value);
    }
    return all;
  }
  // What another process would find.
  [[nodiscard]] std::map<std::string, std::string> on_disk() {
    const support::TemporaryDirectory copy;
    std::filesystem::copy(state_ + "/entities.log", copy.file("entities.log"));
    PosixFileSystem files;
    return contents(*EntityLog::open(copy.path(), files).value());
  }
  // A new log with "a", and two changes behind it of which the first is damaged; as it is written.
  std::string write_damaged() {
    std::filesystem::remove_all(state_);
    std::size_t second_record = 0;
    {
      const auto log = open();
      EXPECT_TRUE(put(*log, "a", "1"));
      second_record = std::filesystem::file_size(file());
      EXPECT_TRUE(put(*log, "b", "2"));
      EXPECT_TRUE(put(*log, "c", "3"));
    }
    std::string damaged = folder_.read("state/entities.log");
    damaged[second_record + 12] ^= 1;
    folder_.write("state/entities.log", damaged);
    return damaged;
  }
  [[nodiscard]] std::vector<std::string> files_in_folder() const {
    return PosixFileSystem().list(state_).value();
  }
  [[nodiscard]] std::string file() const { return state_ + "/entities.log"; }

  support::TemporaryDirectory folder_;
  std::string state_ = folder_.file("state");
  FaultyFileSystem files_;
};

TEST_F(EntityLogTest, HasAfterARestartWhatItTook) {
  {
    const auto log = open();
    ASSERT_TRUE(put(*log, "a", "1"));
    ASSERT_TRUE(put(*log, "b", "2"));
    ASSERT_TRUE(put(*log, "a", "3"));
    ASSERT_TRUE(log->store("b", nullptr));
  }
  const auto log = open();
  EXPECT_THAT(contents(*log), ElementsAre(Pair("a", "3")));
  EXPECT_EQ(log->entities().at("a")->times, "now");
  EXPECT_EQ(log->cut_octets(), 0U);
}

TEST_F(EntityLogTest, HasOneUserAtATime) {
  const auto log = open();
  PosixFileSystem others;
  const auto second = EntityLog::open(state_, others);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message, HasSubstr("--state-dir"));
}

TEST_F(EntityLogTest, LosesNothingButTheRecordThatWasCutAtEveryOctet) {
  std::uintmax_t before_last = 0;
  {
    const auto log = open();
    ASSERT_TRUE(put(*log, "a", "1"));
    before_last = std::filesystem::file_size(file());
    ASSERT_TRUE(put(*log, "b", "2"));
  }
  const std::string whole = folder_.read("state/entities.log");
  for (std::uintmax_t size = before_last; size < whole.size(); ++size) {
    folder_.write("state/entities.log", whole.substr(0, size));
    const auto log = open();
    EXPECT_THAT(contents(*log), ElementsAre(Pair("a", "1")));
    EXPECT_EQ(log->cut_octets(), size - before_last);
    ASSERT_TRUE(put(*log, "c", "3"));
    EXPECT_THAT(on_disk(), ElementsAre(Pair("a", "1"), Pair("c", "3")));
  }
}

TEST_F(EntityLogTest, KeepsACopyOfWhatItCannotBelieve) {
  const std::string damaged = write_damaged();
  EXPECT_THAT(contents(*open()), ElementsAre(Pair("a", "1")));
  EXPECT_EQ(folder_.read("state/entities.log.cut"), damaged);
}

TEST_F(EntityLogTest, CopiesADamagedFileOfManyBlocksWhole) {
  std::string damaged = write_damaged();
  for (std::size_t i = 0; damaged.size() < 3 * kFeedLogBlockOctets; ++i) {
    damaged += std::to_string(i);
  }
  folder_.write("state/entities.log", damaged);
  EXPECT_THAT(contents(*open()), ElementsAre(Pair("a", "1")));
  EXPECT_TRUE(folder_.read("state/entities.log.cut") == damaged);
}

TEST_F(EntityLogTest, IsEmptyWhereTheFileIs) {
  std::filesystem::create_directory(state_);
  folder_.write("state/entities.log", "");
  const auto log = open();
  EXPECT_THAT(contents(*log), IsEmpty());
  EXPECT_EQ(log->cut_octets(), 0U);
  EXPECT_FALSE(std::filesystem::exists(file() + ".cut"));
  ASSERT_TRUE(put(*log, "a", "1"));
  EXPECT_THAT(on_disk(), ElementsAre(Pair("a", "1")));
}

TEST_F(EntityLogTest, OnAFullDiskHasWhatCanBeReadAndTakesNoChangeBeforeTheCopyIsMade) {
  const std::string damaged = write_damaged();
  files_.set_torn_write_bytes(7);
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? ENOSPC : 0; });
  const auto log = open();
  EXPECT_THAT(contents(*log), ElementsAre(Pair("a", "1")));
  ASSERT_FALSE(log->mended());
  EXPECT_EQ(log->mended().error().code, ErrorCode::kNoSpace);
  const auto refused = put(*log, "c", "3");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(contents(*log), ElementsAre(Pair("a", "1")));
  EXPECT_THAT(files_in_folder(), ElementsAre("entities.lock", "entities.log"));
  EXPECT_EQ(folder_.read("state/entities.log"), damaged);

  files_.set_fault({});
  ASSERT_TRUE(put(*log, "c", "3"));
  EXPECT_THAT(on_disk(), ElementsAre(Pair("a", "1"), Pair("c", "3")));
  EXPECT_EQ(folder_.read("state/entities.log.cut"), damaged);
}

TEST_F(EntityLogTest, LosesNeitherTheCopyNorWhatCanBeReadWhicheverStepOfMendingFails) {
  for (const bool fails_on : {false, true}) {
    bool was_hit = true;
    for (std::uint64_t failing = 0; was_hit; ++failing) {
      SCOPED_TRACE(failing);
      const std::string damaged = write_damaged();
      was_hit = false;
      files_.set_fault([&, begin = files_.steps()](FileStep, std::uint64_t index) {
        const bool is_hit = fails_on ? index >= begin + failing : index == begin + failing;
        was_hit = was_hit || is_hit;
        return is_hit ? EIO : 0;
      });
      if (const auto log = EntityLog::open(state_, files_); log) {
        EXPECT_THAT(contents(**log), ElementsAre(Pair("a", "1")));
      }
      files_.set_fault({});
      EXPECT_THAT(contents(*open()), ElementsAre(Pair("a", "1")));
      EXPECT_EQ(folder_.read("state/entities.log.cut"), damaged);
      EXPECT_THAT(files_in_folder(),
                  ElementsAre("entities.lock", "entities.log", "entities.log.cut"));
    }
  }
}

TEST_F(EntityLogTest, LeavesAFileOfOthersAlone) {
  std::filesystem::create_directory(state_);
  folder_.write("state/entities.log", "somebody's diary");
  const auto log = EntityLog::open(state_, files_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(folder_.read("state/entities.log"), "somebody's diary");
}

TEST_F(EntityLogTest, ForgetsAChangeThatFailsAndGoesOnAfterwards) {
  const auto log = open();
  ASSERT_TRUE(put(*log, "a", "1"));
  files_.set_torn_write_bytes(7);
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? ENOSPC : 0; });
  const auto refused = put(*log, "b", "2");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_FALSE(log->store("a", nullptr));
  EXPECT_THAT(contents(*log), ElementsAre(Pair("a", "1")));
  EXPECT_THAT(on_disk(), ElementsAre(Pair("a", "1")));
  files_.set_fault({});
  ASSERT_TRUE(put(*log, "c", "3"));
  EXPECT_THAT(on_disk(), ElementsAre(Pair("a", "1"), Pair("c", "3")));
}

// Any one step of a change fails: the change is there or it is not, as was said, and all others
// are.
TEST_F(EntityLogTest, TellsTheTruthWhicheverStepFails) {
  for (const bool fails_on : {false, true}) {
    for (std::uint64_t failing = 0; failing < 24; ++failing) {
      std::filesystem::remove_all(state_);
      files_.set_fault({});
      const auto log = open();
      ASSERT_TRUE(put(*log, "a", "1"));
      const std::uint64_t begin = files_.steps();
      files_.set_fault([=](FileStep, std::uint64_t index) {
        const bool is_hit = fails_on ? index >= begin + failing : index == begin + failing;
        return is_hit ? EIO : 0;
      });
      std::map<std::string, std::string> expected{{"a", "1"}};
      for (const std::string name : {"b", "c", "d"}) {
        if (put(*log, name, "2")) {
          expected.emplace(name, "2");
        }
      }
      EXPECT_EQ(contents(*log), expected) << failing;
      files_.set_fault({});
      ASSERT_TRUE(put(*log, "e", "3"));
      expected.emplace("e", "3");
      EXPECT_EQ(on_disk(), expected) << failing;
    }
  }
}

TEST_F(EntityLogTest, IsWrittenAnewWhenMostOfItIsOld) {
  const auto log = open();
  const std::string large(100'000, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(*log, "a", large + std::to_string(i)));
  }
  EXPECT_LT(std::filesystem::file_size(file()), 3'000'000U);
  EXPECT_THAT(on_disk(), ElementsAre(Pair("a", large + "99")));
}

TEST_F(EntityLogTest, SaysWhyAFolderCannotBeUsed) {
  folder_.write("state", "a file");
  const auto log = EntityLog::open(state_, files_);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr(state_));
}

}  // namespace
}  // namespace meshdns::discovery
