// What a log that is written anew holds, and what is left where that fails.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <ios>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/result.h"
#include "discovery/feeds/feed_log.h"
#include "discovery/feeds/feed_log_format.h"
#include "discovery/feeds/feed_log_reader.h"
#include "tests/discovery/feeds/feed_log_fixture.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/held_feed_log.h"

namespace meshdns::discovery {
namespace {

using support::FileStep;
using support::HeldFeedLog;
using Resources = std::vector<HeldFeedLog::Resource>;

// What a feed holds, as a log should: in the order in which the names came.
class Model {
 public:
  void set(const HeldFeedLog::Resource& resource) {
    const auto place = find(resource.name);
    if (place == held_.end()) {
      held_.push_back(resource);
    } else {
      *place = resource;
    }
  }
  void drop(const std::string& name) {
    if (const auto place = find(name); place != held_.end()) {
      held_.erase(place);
    }
  }
  [[nodiscard]] const Resources& held() const { return held_; }

 private:
  Resources::iterator find(const std::string& name) {
    return std::ranges::find(held_, name, &HeldFeedLog::Resource::name);
  }

  Resources held_;
};

class FeedLogRewrite : public FeedLogFixture {
 protected:
  // A log of three names, whole.
  FeedLog open_with_three() {
    FeedLog log = open();
    EXPECT_TRUE(log.append(set("a", "1") + set("b", "2") + set("c", "3") + whole()));
    return log;
  }
  static Resources three() { return {{"a", "1", "1"}, {"b", "1", "2"}, {"c", "1", "3"}}; }
  // Does something to the file once it was read, and before it is read again.
  void between_the_readings(std::function<void()> act) {
    files_.set_fault([this, act = std::move(act), was_read = false, done = false](
                         FileStep step, std::uint64_t) mutable {
      was_read = was_read || step == FileStep::kRead;
      if (was_read && step == FileStep::kOpen && !std::exchange(done, true)) {
        act();
      }
      return 0;
    });
  }
};

// Sizes around those of what is read and written at once.
std::size_t random_size(std::mt19937& random) {
  constexpr std::size_t kBlock = kFeedLogBlockOctets;
  switch (random() % 8) {
    case 0:
      return kBlock - 64 + random() % 128;
    case 1:
      return random() % (4 * kBlock);
    case 2:
      return 0;
    default:
      return random() % 2000;
  }
}

TEST_F(FeedLogRewrite, HoldsWhatTheOldOneHeldInItsOrder) {
  for (std::uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::filesystem::remove(path_);
    Model model;
    std::optional<FeedLog> log(open());
    for (int step = 0; step < 40; ++step) {
      FeedRecords records;
      for (auto changes = random() % 12; changes > 0; --changes) {
        const std::string name = "default/s" + std::to_string(random() % 40);
        if (random() % 3 == 0) {
          records.drop(name);
          model.drop(name);
        } else {
          const HeldFeedLog::Resource resource{
              name, std::to_string(random()),
              std::string(random_size(random), static_cast<char>('a' + random() % 26))};
          records.set(resource.name, resource.version, resource.value);
          model.set(resource);
        }
      }
      ASSERT_TRUE(log->append(records.take()));
      if (random() % 6 == 0) {
        ASSERT_TRUE(log->retry());
        ASSERT_EQ(log->position(), make().peek());
        ASSERT_TRUE(read_held().held == model.held()) << step;
      }
      if (random() % 20 == 0) {
        log.emplace(open());
      }
    }
    ASSERT_TRUE(read_held().held == model.held());
  }
}

TEST_F(FeedLogRewrite, NamesThatComeAndGoLeaveNothing) {
  FeedLog log = open_with_three();
  FeedRecords records;
  for (int i = 0; i < 5000; ++i) {
    records.set("gone/" + std::to_string(i), "1", "value");
    records.drop("gone/" + std::to_string(i));
  }
  records.set("last", "1", "4");
  ASSERT_TRUE(log.append(records.take()));
  ASSERT_TRUE(log.retry());
  Resources want = three();
  want.push_back({"last", "1", "4"});
  EXPECT_EQ(read_held().held, want);
  EXPECT_LT(std::filesystem::file_size(path_), 300U);
}

TEST_F(FeedLogRewrite, LosesNothingWhicheverStepFails) {
  for (std::uint64_t failing = 0;; ++failing) {
    SCOPED_TRACE(failing);
    std::filesystem::remove(path_);
    FeedLog log = open_with_three();
    const FeedLog::Position before = log.position();
    const std::uint64_t base = files_.steps();
    bool failed = false;
    files_.set_torn_write_bytes(failing % 7);
    files_.set_fault([&](FileStep, std::uint64_t index) {
      const bool now = index - base == failing;
      failed = failed || now;
      return now ? EIO : 0;
    });
    const auto written = log.retry();
    files_.set_fault({});
    EXPECT_EQ(read_held().held, three());
    EXPECT_TRUE(read_held().summary.whole);
    const bool is_there = make().peek() != before;
    if (!failed) {
      EXPECT_TRUE(written);
      EXPECT_GT(failing, 8U);
      break;
    }
    if (!written) {
      EXPECT_TRUE(log.is_behind());
      EXPECT_EQ(log.position(), FeedLog::Position());
      ASSERT_TRUE(log.append(set("d", "4")));
      ASSERT_TRUE(log.retry());
    } else {
      ASSERT_TRUE(log.append(set("d", "4")));  // it was a step on what it leaves behind
    }
    EXPECT_FALSE(log.is_behind());
    EXPECT_EQ(log.position(), make().peek());
    Resources want = three();
    want.push_back({"d", "1", "4"});
    EXPECT_EQ(read_held().held, want);
    // A new file that is there, but was not said to be, is another's as far as anybody knows.
    EXPECT_TRUE(read_held().summary.whole || is_there);
  }
}

TEST_F(FeedLogRewrite, DoubtsALogThatAnotherWroteToBetweenTheReadings) {
  FeedLog log = open_with_three();
  const FeedLog::Position before = log.position();
  between_the_readings([this] {
    // Just as long, of this generation, and with good checksums.
    std::string other = folder_.read("mesh.feed");
    const std::string record = set("b", "2");
    other.replace(other.find(record), record.size(), set("b", "9"));
    std::fstream(path_, std::ios::binary | std::ios::in | std::ios::out) << other;
  });
  const auto refused = log.retry();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(log.is_behind());
  EXPECT_EQ(make().peek(), before);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".tmp"));
  ASSERT_TRUE(log.retry());
  EXPECT_EQ(read_held().held, (Resources{{"a", "1", "1"}, {"b", "1", "9"}, {"c", "1", "3"}}));
  EXPECT_FALSE(read_held().summary.whole);
}

TEST_F(FeedLogRewrite, DoubtsALogThatAnotherCutBetweenTheReadings) {
  FeedLog log = open_with_three();
  between_the_readings(
      [this] { std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 20); });
  EXPECT_FALSE(log.retry());
  ASSERT_TRUE(log.append(set("d", "4")));
  ASSERT_TRUE(log.retry());
  EXPECT_EQ(read_held().held, (Resources{{"a", "1", "1"}, {"b", "1", "2"}, {"d", "1", "4"}}));
  EXPECT_FALSE(read_held().summary.whole);
}

TEST_F(FeedLogRewrite, IsNotMadeOfWhatStandsBehindItsEnd) {
  FeedLog log = open_with_three();
  std::ofstream(path_, std::ios::binary | std::ios::app) << set("stranger", "5");
  ASSERT_TRUE(log.retry());
  EXPECT_EQ(read_held().held, three());
  EXPECT_TRUE(read_held().summary.whole);
}

}  // namespace
}  // namespace meshdns::discovery
