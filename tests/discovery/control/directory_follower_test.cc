#include "discovery/control/directory_follower.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "discovery/control/dataplane_directory.h"
#include "discovery/control/dataplane_store.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::discovery {
namespace {

std::string entity(const std::string& name) {
  return "type: Dataplane\nmesh: default\nname: " + name +
         "\nnetworking:\n  address: 192.0.2.1\n  inbound:\n  - port: 80\n    tags: "
         "{kuma.io/service: " +
         name + "}\n";
}

enum class Found : std::uint8_t { kByScan, kWithoutScan };

// A folder that is a link's, with one service in it.
class DirectoryFollowerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(root_.file("first"));
    std::filesystem::create_directory(root_.file("second"));
    std::filesystem::create_directory_symlink("first", path_);
    (void)root_.write("first/web.yaml", entity("web"));
  }

  void load() { ASSERT_TRUE(directory_.load()); }
  void watch_and_load() {
    ASSERT_TRUE(directory_.watch());
    load();
  }
  void start() {
    follower_.emplace(io_, clock_, directory_,
                      DirectoryFollower::Hooks{.followed = [this] { ++followed_; },
                                               .scanned = [this] { ++scans_; }});
    follower_->start();
  }
  // Lets one thing happen after the other until there are so many services; what the last one was,
  // or nothing when it hangs.
  std::optional<Found> run_until_services(std::size_t count) {
    std::optional<Found> found;
    static_cast<void>(support::wait_until([&] {
      const int scans = scans_;
      const int followed = followed_;
      if (io_.run_one_for(support::kHangBound) != 0 && store_.services() == count) {
        EXPECT_GT(followed_, followed) << "nobody was told";
        found = scans_ > scans ? Found::kByScan : Found::kWithoutScan;
      }
      return found.has_value();
    }));
    return found;
  }

  support::TemporaryDirectory root_;
  std::string path_ = root_.file("dataplanes");
  PosixFileSystem files_;
  SystemClock clock_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  DataplaneStore store_{"home", logs_->logger("control")};
  DataplaneDirectory directory_{path_, files_, clock_, store_, logs_->logger("control")};
  boost::asio::io_context io_{1};
  int followed_ = 0;
  int scans_ = 0;
  std::optional<DirectoryFollower> follower_;
};

TEST_F(DirectoryFollowerTest, ReadsWhatAnEventTellsOf) {
  watch_and_load();
  start();
  EXPECT_EQ(followed_, 1) << "of what was loaded";
  (void)root_.write("first/api.yaml", entity("api"));
  EXPECT_EQ(run_until_services(2), Found::kWithoutScan);
}

TEST_F(DirectoryFollowerTest, LetsTheGraceOfARemovedFileEnd) {
  watch_and_load();
  start();
  std::filesystem::remove(root_.file("first/web.yaml"));
  EXPECT_EQ(run_until_services(0), Found::kWithoutScan);
}

TEST_F(DirectoryFollowerTest, GoesWithALinkThatIsTurned) {
  watch_and_load();
  start();
  for (const char* const name : {"web", "api", "db"}) {
    (void)root_.write(std::string("second/") + name + ".yaml", entity(name));
  }
  std::filesystem::create_directory_symlink("second", root_.file("next"));
  std::filesystem::rename(root_.file("next"), path_);
  EXPECT_EQ(run_until_services(3), Found::kWithoutScan);
}

TEST_F(DirectoryFollowerTest, ScansWhereNoEventTells) {
  load();
  start();
  (void)root_.write("first/api.yaml", entity("api"));
  EXPECT_EQ(run_until_services(2), Found::kByScan);
}

TEST_F(DirectoryFollowerTest, ReadsAnewWhenItIsTold) {
  load();
  start();
  (void)root_.write("first/api.yaml", entity("api"));
  for (int i = 0; i <= DataplaneDirectory::kRestingScans; ++i) {
    follower_->rescan();
  }
  EXPECT_EQ(store_.services(), 2U);
  EXPECT_EQ(followed_, 2 + DataplaneDirectory::kRestingScans);
  EXPECT_EQ(scans_, 0) << "the hook is of scans by time";
}

TEST_F(DirectoryFollowerTest, LeavesTheWatchToTheDirectory) {
  watch_and_load();
  start();
  follower_.reset();
  (void)root_.write("first/api.yaml", entity("api"));
  pollfd waiting{directory_.watch_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, 60'000), 1);
  directory_.on_events();
  EXPECT_EQ(store_.services(), 2U);
}

}  // namespace
}  // namespace meshdns::discovery
