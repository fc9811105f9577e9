#include "resolver/app/table_writer.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/feeds/feed_log.h"
#include "discovery/feeds/feed_log_format.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

using support::FaultyFileSystem;
using support::FileStep;
using support::wait_until;

// What the next process would be told of the folder, at every moment of this one.
class TableWriterTest : public testing::Test {
 protected:
  // And waits until it has read what is there.
  void start() {
    read_ = false;
    writer_ = std::make_unique<TableWriter>(
        TableWriter::Options{.directory = directory_.path(),
                             .feed_fingerprint = "f",
                             .table_fingerprint = "t",
                             .feeds = {"mesh"}},
        files_,
        TableWriter::Callbacks{
            .on_log = [](std::size_t, const Result<discovery::FeedLog::Loaded>&) {},
            .on_read = [this] { read_ = true; },
            .on_written = [this] { ++times_written_; },
            .on_image = [](const Result<void>&) {},
            .on_trouble = [this](const std::string& trouble) { trouble_ = !trouble.empty(); }});
    ASSERT_TRUE(wait_until([this] { return read_.load(); }));
  }
  // Known everything, as after the first table.
  void start_settled() {
    start();
    writer_->end_doubt();
    ASSERT_TRUE(wait_until([this] { return is_settled(); }));
  }
  void append(const std::string& name) {
    discovery::FeedRecords records;
    records.set(name, "1", "value");
    writer_->append(0, records.take());
  }
  [[nodiscard]] bool is_settled() { return TableWriter::is_settled(directory_.path(), disk_); }

  support::TemporaryDirectory directory_;
  PosixFileSystem disk_;
  FaultyFileSystem files_;
  std::atomic<bool> read_{false};
  std::atomic<int> times_written_{0};
  std::atomic<bool> trouble_{false};
  std::unique_ptr<TableWriter> writer_;
};

TEST_F(TableWriterTest, AFolderWithNothingIsNotSettled) {
  EXPECT_FALSE(is_settled());
  start();
  EXPECT_FALSE(is_settled());
  writer_.reset();
  EXPECT_FALSE(is_settled()) << "nobody has told it anything";
}

TEST_F(TableWriterTest, IsNotSettledWhileARecordIsNotInTheLog) {
  start_settled();
  std::atomic<int> writes{0};
  std::atomic<bool> settled_at_write{false};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    if (step == FileStep::kWrite) {
      ++writes;
      settled_at_write = settled_at_write || is_settled();
    }
    return 0;
  });
  append("a");
  ASSERT_TRUE(wait_until([this] { return writer_->is_written() && is_settled(); }));
  EXPECT_EQ(writes, 1);
  EXPECT_FALSE(settled_at_write);
  writer_.reset();  // which looks at what is ours
}

TEST_F(TableWriterTest, SaysWhenAllRecordsAreWritten) {
  start_settled();
  EXPECT_TRUE(writer_->is_written());
  std::atomic<bool> hangs{true};
  std::atomic<bool> writes{false};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    writes = writes || step == FileStep::kWrite;
    while (step == FileStep::kWrite && hangs) {
      std::this_thread::yield();
    }
    return 0;
  });
  append("a");
  append("b");
  ASSERT_TRUE(wait_until([&] { return writes.load(); }));
  EXPECT_FALSE(writer_->is_written());
  EXPECT_EQ(times_written_, 0);
  hangs = false;
  ASSERT_TRUE(wait_until([this] { return times_written_ > 0; }));
  EXPECT_TRUE(writer_->is_written());
  EXPECT_TRUE(is_settled()) << "by the time it says so";
  writer_.reset();  // which looks at what is ours
}

// A change is published once it is written, and a disk may take its time over a sync.
TEST_F(TableWriterTest, SaysThatARecordIsWrittenBeforeItIsSynced) {
  start_settled();
  std::atomic<int> syncs{0};
  std::atomic<int> written_at_sync{0};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    if (step == FileStep::kSync && syncs++ == 0) {
      written_at_sync = times_written_.load();
    }
    return 0;
  });
  append("a");
  ASSERT_TRUE(wait_until([&] { return syncs > 0; }));
  EXPECT_EQ(written_at_sync, 1);
  writer_.reset();  // which looks at what is ours
}

// The system may drop what it could not write: what was in the log need not be there any more.
TEST_F(TableWriterTest, IsNotSettledAfterASyncThatFailed) {
  start_settled();
  std::atomic<bool> fails{true};
  std::atomic<bool> failed{false};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    failed = failed || step == FileStep::kSync;
    return step == FileStep::kSync && fails ? EIO : 0;
  });
  append("a");
  ASSERT_TRUE(wait_until([&] { return failed && trouble_; }));
  EXPECT_TRUE(wait_until([this] { return !is_settled(); }));
  fails = false;
  EXPECT_TRUE(wait_until([this] { return is_settled() && !trouble_; }));
  writer_.reset();  // which looks at what is ours
}

// They leave it no second without a record, after which it would sync by itself.
TEST_F(TableWriterTest, SyncsWhileRecordsKeepComing) {
  start_settled();
  std::atomic<int> syncs{0};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    syncs += step == FileStep::kSync ? 1 : 0;
    return 0;
  });
  int appended = 0;
  ASSERT_TRUE(wait_until([&] {
    append("a" + std::to_string(++appended));
    append("b" + std::to_string(appended));
    return syncs > 0;
  }));
  writer_.reset();  // which looks at what is ours
}

TEST_F(TableWriterTest, WhatTheDiskDoesNotTakeIsNotWaitedFor) {
  start_settled();
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? ENOSPC : 0; });
  append("a");
  EXPECT_TRUE(wait_until([this] { return times_written_ == 1; }));
  EXPECT_TRUE(writer_->is_written());
  EXPECT_FALSE(is_settled());
}

TEST_F(TableWriterTest, IsNotSettledWhileTheDiskTakesNothing) {
  start_settled();
  std::atomic<bool> full{true};
  files_.set_fault(
      [&](FileStep step, std::uint64_t) { return full && step == FileStep::kWrite ? ENOSPC : 0; });
  append("a");
  ASSERT_TRUE(wait_until([this] { return trouble_.load(); }));
  EXPECT_FALSE(is_settled());
  full = false;
  EXPECT_TRUE(wait_until([this] { return is_settled(); }));
  writer_.reset();  // which looks at what is ours
}

// The control thread gives the records: were it held up, the resolver would be taken for dead.
TEST_F(TableWriterTest, ADiskThatHangsHoldsNobodyUp) {
  start_settled();
  std::atomic<bool> hangs{true};
  files_.set_fault([&](FileStep, std::uint64_t) {
    while (hangs) {
      std::this_thread::yield();
    }
    return 0;
  });
  std::atomic<bool> given{false};
  std::thread control([&] {
    append("a");
    given = !writer_->is_written();
  });
  EXPECT_TRUE(wait_until([&] { return given.load(); }, std::chrono::seconds(20)));
  EXPECT_TRUE(wait_until([&] { return writer_->says_unsettled(); }, std::chrono::seconds(20)));
  hangs = false;
  control.join();
  EXPECT_TRUE(wait_until([this] { return is_settled() && writer_->is_written(); }));
  writer_.reset();  // which looks at what is ours
}

// Records wait behind the sync of those before, which table.settled knows nothing of.
TEST_F(TableWriterTest, SaysThatItIsNotSettledWhileADiskHangsInASync) {
  start_settled();
  std::atomic<bool> syncs{false};
  std::atomic<bool> hangs{true};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    syncs = syncs || step == FileStep::kSync;
    while (step == FileStep::kSync && hangs) {
      std::this_thread::yield();
    }
    return 0;
  });
  append("a");
  ASSERT_TRUE(wait_until([&] { return syncs.load(); }));
  ASSERT_TRUE(is_settled());
  append("b");
  EXPECT_FALSE(writer_->says_unsettled());
  EXPECT_TRUE(wait_until([this] {
    writer_->unsettle_ahead();
    return writer_->says_unsettled() && !is_settled();
  }));
  EXPECT_FALSE(writer_->is_written());
  hangs = false;
  EXPECT_TRUE(wait_until([this] { return is_settled() && writer_->is_written(); }));
  EXPECT_FALSE(writer_->says_unsettled());
  writer_.reset();  // which looks at what is ours
}

TEST_F(TableWriterTest, StaysSettledWhereNothingWaits) {
  start_settled();
  std::atomic<int> truncations{0};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    truncations += step == FileStep::kTruncate ? 1 : 0;
    return 0;
  });
  writer_->unsettle_ahead();
  writer_.reset();  // which waits for it
  EXPECT_EQ(truncations, 0);
  EXPECT_TRUE(is_settled());
}

TEST_F(TableWriterTest, TellsWhereItHangsWhileItSaysThatAllIsThere) {
  start_settled();
  std::atomic<int> truncations{0};
  std::atomic<bool> hangs{true};
  files_.set_fault([&](FileStep step, std::uint64_t) {
    // The second takes back what the first says.
    while (step == FileStep::kTruncate && ++truncations >= 2 && hangs) {
      std::this_thread::yield();
    }
    return 0;
  });
  append("a");
  ASSERT_TRUE(wait_until([&] { return truncations >= 2; }));
  append("b");
  EXPECT_FALSE(writer_->is_written());
  EXPECT_FALSE(writer_->says_unsettled());
  hangs = false;
  EXPECT_TRUE(wait_until([this] { return is_settled() && writer_->is_written(); }));
  writer_.reset();  // which looks at what is ours
}

TEST_F(TableWriterTest, StaysSettledOverAnEndThatWroteAll) {
  start_settled();
  append("a");
  writer_.reset();
  EXPECT_TRUE(is_settled());
  start();
  EXPECT_TRUE(is_settled());
}

TEST_F(TableWriterTest, ADoubtOfAnEarlierProcessLastsUntilEverythingIsToldAgain) {
  start_settled();
  files_.set_fault([](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? EIO : 0; });
  append("a");
  writer_.reset();
  ASSERT_FALSE(is_settled());
  files_.set_fault({});
  start();
  append("b");
  writer_.reset();
  EXPECT_FALSE(is_settled()) << "nobody has told it about a";
  start();
  append("a");
  writer_->end_doubt();
  EXPECT_TRUE(wait_until([this] { return is_settled(); }));
}

TEST_F(TableWriterTest, IsNotSettledWhereTheFlagCannotBeTakenBack) {
  start_settled();
  files_.set_fault([](FileStep step, std::uint64_t) {
    return step == FileStep::kTruncate || step == FileStep::kWrite ? EIO : 0;
  });
  append("a");
  EXPECT_TRUE(wait_until([this] { return trouble_.load() && !is_settled(); }));
}

}  // namespace
}  // namespace meshdns::dns
