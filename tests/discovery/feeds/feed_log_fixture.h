// A feed's log in a folder of the test's own, on a disk whose steps can fail.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "discovery/feeds/feed_log.h"
#include "discovery/feeds/feed_log_format.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/held_feed_log.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {

class FeedLogFixture : public testing::Test {
 public:
  static constexpr const char* kFingerprint = "mesh=default";

 protected:
  [[nodiscard]] FeedLog make() { return FeedLog(path_, kFingerprint, files_); }
  // A log that goes on with what is there.
  FeedLog open() {
    FeedLog log = make();
    const auto loaded = log.load();
    EXPECT_TRUE(loaded);
    EXPECT_TRUE(log.begin(*loaded));
    return log;
  }
  [[nodiscard]] support::HeldFeedLog read_held() {
    return support::HeldFeedLog::of(make().load().value().survey);
  }

  static std::string set(const std::string& name, const std::string& value = "v") {
    FeedRecords records;
    records.set(name, "1", value);
    return records.take();
  }
  static std::string whole() {
    FeedRecords records;
    records.say_whole(true);
    return records.take();
  }

  support::TemporaryDirectory folder_;
  std::string path_ = folder_.file("mesh.feed");
  support::FaultyFileSystem files_;
};

}  // namespace meshdns::discovery
