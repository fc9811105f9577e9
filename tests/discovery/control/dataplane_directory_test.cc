#include "discovery/control/dataplane_directory.h"

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <poll.h>
#include <string>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/log.h"
#include "discovery/control/dataplane_store.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

std::string entity(const std::string& name) {
  return "type: Dataplane\nmesh: default\nname: " + name +
         "\nnetworking:\n  address: 192.0.2.1\n  inbound:\n  - port: 80\n    tags: "
         "{kuma.io/service: " +
         name + "}\n";
}

class DataplaneDirectoryTest : public testing::Test {
 protected:
  void start() {
    ASSERT_TRUE(directory_.load());
    ASSERT_TRUE(directory_.watch());
  }
  // Waits for the kernel to tell of the change, within a hang bound.
  void take_events() {
    pollfd waiting{directory_.watch_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&waiting, 1, 60'000), 1);
    directory_.on_events();
  }

  support::TemporaryDirectory folder_;
  PosixFileSystem files_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  DataplaneStore store_{"home", logs_->logger("control")};
  DataplaneDirectory directory_{folder_.path(), files_, store_, logs_->logger("control")};
};

TEST_F(DataplaneDirectoryTest, FollowsFilesThatComeChangeAndGo) {
  (void)folder_.write("a.yaml", entity("web"));
  (void)folder_.write("notes.txt", "not for us");
  start();
  EXPECT_EQ(store_.services(), 1U);
  (void)folder_.write("b.yml", entity("redis") + "---\n" + entity("backend"));
  take_events();
  EXPECT_EQ(store_.services(), 3U);
  (void)folder_.write("b.yml", entity("redis"));
  take_events();
  EXPECT_EQ(store_.services(), 2U);
  std::filesystem::remove(folder_.file("a.yaml"));
  take_events();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DataplaneDirectoryTest, KeepsWhatABrokenOrEmptiedFileHeld) {
  (void)folder_.write("a.yaml", entity("web"));
  start();
  for (const std::string content : {"type: [Datapl", ""}) {
    (void)folder_.write("a.yaml", content);
    take_events();
    EXPECT_EQ(store_.services(), 1U);
    ASSERT_EQ(directory_.problems().size(), 1U);
    EXPECT_TRUE(directory_.problems()[0].starts_with(folder_.file("a.yaml") + ":1: "));
  }
  (void)folder_.write("a.yaml", entity("web"));
  take_events();
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DataplaneDirectoryTest, DoesNotReadAFileThatIsStillOpenForWriting) {
  (void)folder_.write("a.yaml", entity("web") + "---\n" + entity("redis"));
  start();
  std::FILE* writer = std::fopen(folder_.file("a.yaml").c_str(), "w");
  ASSERT_NE(writer, nullptr);
  // A cut at a document's end is good YAML: only the open writer tells.
  (void)std::fputs(entity("web").c_str(), writer);
  (void)std::fflush(writer);
  directory_.on_events();
  directory_.rescan();
  EXPECT_EQ(store_.services(), 2U);
  (void)std::fputs(("---\n" + entity("backend")).c_str(), writer);
  (void)std::fclose(writer);
  take_events();
  EXPECT_EQ(store_.services(), 2U);
  EXPECT_EQ(store_.dataplanes(), 2U);
}

TEST_F(DataplaneDirectoryTest, FindsWithoutEventsWhatHasSettled) {
  ASSERT_TRUE(directory_.load());
  (void)folder_.write("a.yaml", entity("web"));
  directory_.rescan();
  EXPECT_EQ(store_.services(), 0U);
  directory_.rescan();
  EXPECT_EQ(store_.services(), 1U);
}

TEST_F(DataplaneDirectoryTest, ReportsADuplicateAndServesItWhenTheFirstGoes) {
  (void)folder_.write("a.yaml", entity("web"));
  (void)folder_.write("b.yaml", entity("web"));
  start();
  ASSERT_EQ(directory_.problems().size(), 1U);
  EXPECT_NE(directory_.problems()[0].find("b.yaml:1: the dataplane default/web is already at"),
            std::string::npos);
  std::filesystem::remove(folder_.file("a.yaml"));
  take_events();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DataplaneDirectoryTest, PublishesOnlyWhatAChangeTouches) {
  for (int i = 0; i < 100; ++i) {
    (void)folder_.write(std::to_string(i) + ".yaml", entity("s" + std::to_string(i)));
  }
  start();
  const auto before = store_.resources("default")->stats();
  EXPECT_EQ(before.resources, 300U);  // service, endpoints and dataplane of each
  (void)folder_.write("7.yaml", entity("other"));
  take_events();
  const auto after = store_.resources("default")->stats();
  EXPECT_EQ(after.resources, 300U);
  EXPECT_EQ(after.serialisations - before.serialisations, 3U);
  EXPECT_EQ(after.commits - before.commits, 1U);
}

TEST_F(DataplaneDirectoryTest, KeepsEverythingWhenTheFolderVanishes) {
  (void)folder_.write("a.yaml", entity("web"));
  start();
  std::filesystem::rename(folder_.path(), folder_.path() + ".away");
  directory_.on_events();
  directory_.rescan();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_EQ(directory_.problems().size(), 1U);
  std::filesystem::rename(folder_.path() + ".away", folder_.path());
  directory_.rescan();
  EXPECT_TRUE(directory_.problems().empty());
}

}  // namespace
}  // namespace meshdns::discovery
