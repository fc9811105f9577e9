// What reading a log and writing it anew take of memory: the names' places and a block, not what
// the log says.
#include <cstddef>
#include <cstdint>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "discovery/feeds/feed_log.h"
#include "discovery/feeds/feed_log_format.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/peak_memory.h"
#include "tests/support/service_label.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

// A block that is read, one that is written, a record on its way there.
constexpr std::size_t kBlocks = std::size_t{5} << 18U;
constexpr std::size_t kOctetsPerName = 32;

class FeedLogMemory : public testing::Test {
 protected:
  // A log of so many names, each of which was told twice.
  void write(std::uint32_t names, std::size_t value_octets) {
    FeedLog log = make();
    ASSERT_TRUE(log.begin(log.load().value()));
    const std::string value(value_octets, 'v');
    for (std::uint32_t i = 0; i < 2 * names; ++i) {
      FeedRecords records;
      records.set("default/" + support::service_label(i % names), fmt::format("{:016x}", i), value);
      ASSERT_TRUE(log.append(records.take()));
    }
  }
  [[nodiscard]] FeedLog make() { return FeedLog(folder_.file("mesh.feed"), "f", files_); }
  std::size_t peak_of_rewriting() {
    FeedLog log = make();
    EXPECT_TRUE(log.begin(log.load().value()));
    return support::peak_of(files_, [&] { EXPECT_TRUE(log.retry()); });
  }
  std::size_t peak_of_loading() {
    return support::peak_of(files_, [&] {
      const auto loaded = make().load();
      std::size_t held = 0;
      ASSERT_TRUE(loaded && loaded->survey.for_each_part([&](auto part) {
        held += part.size();
        return true;
      }));
      ASSERT_GT(held, 0U);
    });
  }

  support::TemporaryDirectory folder_;
  support::FaultyFileSystem files_;
};

TEST_F(FeedLogMemory, FollowsTheNumberOfNames) {
  constexpr std::uint32_t kNames = 100'000;
  write(kNames, 100);
  const std::size_t loading = peak_of_loading();
  const std::size_t rewriting = peak_of_rewriting();
  RecordProperty("octets_loading", std::to_string(loading));
  RecordProperty("octets_rewriting", std::to_string(rewriting));
  EXPECT_LE(loading, kNames * kOctetsPerName + kBlocks);
  EXPECT_LE(rewriting, kNames * kOctetsPerName + kBlocks);
}

TEST_F(FeedLogMemory, DoesNotFollowWhatTheLogSays) {
  constexpr std::uint32_t kNames = 5'000;
  write(kNames, 4'000);
  EXPECT_LE(peak_of_loading(), kNames * kOctetsPerName + kBlocks);
  EXPECT_LE(peak_of_rewriting(), kNames * kOctetsPerName + kBlocks);
}

TEST_F(FeedLogMemory, DoesNotFollowTheNamesThatWent) {
  constexpr std::uint32_t kGone = 100'000;
  FeedLog log = make();
  ASSERT_TRUE(log.begin(log.load().value()));
  for (std::uint32_t i = 0; i < kGone; ++i) {
    FeedRecords records;
    records.set(fmt::format("gone/{}", i), "1", "");
    records.drop(fmt::format("gone/{}", i));
    ASSERT_TRUE(log.append(records.take()));
  }
  EXPECT_LE(support::peak_of(files_, [&] { EXPECT_TRUE(log.retry()); }), kBlocks);
}

}  // namespace
}  // namespace meshdns::discovery
