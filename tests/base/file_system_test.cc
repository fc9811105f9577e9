#include "base/file_system.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/result.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace meshdns {
namespace {

using support::FaultyFileSystem;
using support::FileStep;
using support::TemporaryDirectory;

constexpr std::size_t kLimit = 1000;

TEST(ReadFile, ReturnsTheWholeContent) {
  const TemporaryDirectory folder;
  PosixFileSystem files;
  EXPECT_EQ(read_file(files, folder.write("a", "hello"), kLimit).value(), "hello");
}

TEST(ReadFile, RefusesAFileOverTheLimitAndNamesIt) {
  const TemporaryDirectory folder;
  PosixFileSystem files;
  const auto result = read_file(files, folder.write("big", std::string(1001, 'x')), kLimit);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kExhausted);
  EXPECT_NE(result.error().message.find("big"), std::string::npos);
}

TEST(ReadFile, RefusesFoldersAndFifosWithoutWaiting) {
  const TemporaryDirectory folder;
  PosixFileSystem files;
  ASSERT_EQ(mkfifo(folder.file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file(files, folder.file("fifo"), kLimit).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(files, folder.path(), kLimit).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(files, folder.file("none"), kLimit).error().code, ErrorCode::kNotFound);
}

TEST(ReadAllAt, ReadsFromAnywhereAndEndsWhereTheFileDoes) {
  const TemporaryDirectory folder;
  PosixFileSystem files;
  const auto file = open_regular(files, folder.write("a", "0123456789"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->octets, 10U);
  std::string into(4, '-');
  EXPECT_EQ(read_all_at(files, file->fd.get(), 5, into).value(), 4U);
  EXPECT_EQ(into, "5678");
  EXPECT_EQ(read_all_at(files, file->fd.get(), 8, into).value(), 2U);
  EXPECT_EQ(into, "8978");
  EXPECT_EQ(read_all_at(files, file->fd.get(), 11, into).value(), 0U);
}

TEST(ReadAllAt, TellsOfAReadThatFails) {
  const TemporaryDirectory folder;
  FaultyFileSystem files;
  const auto file = open_regular(files, folder.write("a", "0123456789"));
  ASSERT_TRUE(file);
  files.set_fault([](FileStep step, std::uint64_t) { return step == FileStep::kRead ? EIO : 0; });
  std::string into(4, '-');
  EXPECT_FALSE(read_all_at(files, file->fd.get(), 0, into));
}

TEST(ReplaceFile, LeavesTheOldOrTheNewContentWhicheverStepFails) {
  // Fails each step in turn until none is left to fail.
  for (std::uint64_t failing = 0;; ++failing) {
    const TemporaryDirectory folder;
    const std::string path = folder.write("state", "old");
    FaultyFileSystem files;
    files.set_torn_write_bytes(1);
    files.set_fault([&](FileStep, std::uint64_t index) { return index == failing ? ENOSPC : 0; });
    const auto result = replace_file(files, path, "new content", 0600);
    if (files.steps() <= failing) {
      EXPECT_TRUE(result);
      EXPECT_EQ(folder.read("state"), "new content");
      EXPECT_GE(failing, 5U);  // open, write, sync, rename, open the folder, sync it
      return;
    }
    EXPECT_FALSE(result);
    EXPECT_TRUE(folder.read("state") == "old" || folder.read("state") == "new content") << failing;
  }
}

TEST(Lock, IsExclusiveBetweenDescriptions) {
  const TemporaryDirectory folder;
  PosixFileSystem files;
  const std::string path = folder.write("lock", "");
  auto first = files.open(path, 2, 0).value();
  auto second = files.open(path, 2, 0).value();
  EXPECT_TRUE(files.lock(first.get()));
  EXPECT_EQ(files.lock(second.get()).error().code, ErrorCode::kAlreadyExists);
  first.reset();
  EXPECT_TRUE(files.lock(second.get()));
}

TEST(MakeDirectories, MakesParentsAndAcceptsExistingOnes) {
  const TemporaryDirectory folder;
  PosixFileSystem files;
  EXPECT_TRUE(make_directories(files, folder.file("a/b/c"), 0700));
  EXPECT_TRUE(make_directories(files, folder.file("a/b/c"), 0700));
  EXPECT_TRUE(files.list(folder.file("a/b/c")).value().empty());
}

}  // namespace
}  // namespace meshdns
