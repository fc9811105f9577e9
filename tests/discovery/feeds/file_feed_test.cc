#include "discovery/feeds/file_feed.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <poll.h>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/metrics.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/ads_client.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string service(const std::string& name) { return "---\ntype: Service\nname: " + name + "\n"; }

class FileFeedTest : public testing::Test {
 protected:
  FileFeedTest() { std::filesystem::create_directory(root_.file("etc")); }

  // What is answered from, after a look.
  std::vector<std::string> look() {
    update_ = feed_.look();
    if (update_) {
      touched_ = {};
      for (const ServiceDelta& delta : update_->deltas) {
        const TableChange change = table_.apply(delta);
        std::ranges::copy(change.services, std::back_inserter(touched_.services));
        std::ranges::copy(change.removed_services, std::back_inserter(touched_.removed_services));
        std::ranges::copy(change.endpoints, std::back_inserter(touched_.endpoints));
        std::ranges::copy(change.removed_endpoints, std::back_inserter(touched_.removed_endpoints));
      }
    }
    std::vector<std::string> names;
    table_.for_each_service([&](const Service& each) { names.push_back(each.id.name); });
    std::ranges::sort(names);
    return names;
  }
  // The same, once the kernel has told of the change.
  std::vector<std::string> look_after_event() {
    pollfd waiting{feed_.watch_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 60'000), 1);
    return look();
  }
  std::vector<std::string> look_after(std::chrono::milliseconds pause) {
    clock_.advance(pause);
    return look();
  }
  // As long as a file must be at rest without any event, and a look before that.
  std::vector<std::string> look_after_rest() {
    look();
    return look_after(FileFeed::kRest);
  }
  [[nodiscard]] std::string problem() const {
    return update_ && !update_->problems.empty() ? update_->problems.front() : "";
  }
  void write(const std::string& content) const { (void)root_.write("etc/services.yaml", content); }
  void replace(const std::string& content) const {
    std::filesystem::rename(root_.write("etc/.new", content), path_);
  }

  support::TemporaryDirectory root_;
  std::string path_ = root_.file("etc/services.yaml");
  support::FaultyFileSystem files_;
  support::ManualClock clock_;
  MetricRegistry registry_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  ServiceTable table_{
      {FileFeed::kName, FileFeed::kEndpointsName}, clock_, logs_->logger("table"), registry_};
  FileFeed feed_{path_, {.mesh = "default", .zone = "mesh"}, files_, clock_};
  std::optional<FileFeed::Update> update_;
  TableChange touched_;  // by the last version
};

TEST_F(FileFeedTest, TakesARenamedFileAtOnceAndOneWrittenInPlaceAfterAMoment) {
  write(service("a"));
  ASSERT_TRUE(feed_.watch());
  EXPECT_THAT(look(), ElementsAre("a"));
  replace(service("a") + service("b"));
  EXPECT_THAT(look_after_event(), ElementsAre("a", "b"));
  write(service("c"));
  EXPECT_THAT(look_after_event(), ElementsAre("a", "b")) << "it may be opened again";
  EXPECT_THAT(look_after(FileFeed::kGrace), ElementsAre("c"));
  EXPECT_THAT(look_after(FileFeed::kRest), ElementsAre("c"));
  EXPECT_FALSE(update_) << "and not read again";
}

TEST_F(FileFeedTest, TheFirstVersionReplacesWhatWasKnownBefore) {
  ServiceDelta before{.feed = FileFeed::kName};
  before.services.push_back({.id = {"default", "old"},
                             .zone = {},
                             .hostnames = {"old.mesh"},
                             .addresses = {},
                             .ports = {},
                             .tags = {}});
  table_.apply(before);
  ServiceDelta endpoints_before{.feed = FileFeed::kEndpointsName};
  endpoints_before.endpoints.push_back({{"default", "old"}, {}});
  table_.apply(endpoints_before);
  write(service("a"));
  EXPECT_THAT(look(), ElementsAre("a"));
  EXPECT_THAT(touched_.removed_endpoints, ElementsAre(ServiceId{"default", "old"}));
  replace(service("b"));
  look_after_rest();
  ASSERT_TRUE(update_);
  for (const ServiceDelta& delta : update_->deltas) {
    EXPECT_FALSE(delta.full_state);
  }
}

TEST_F(FileFeedTest, AHalfWrittenFileIsNotRead) {
  write(service("a") + service("b"));
  ASSERT_TRUE(feed_.watch());
  look();
  std::ofstream stream(path_, std::ios::trunc);
  stream << service("a") << std::flush;  // a whole document, and so no mistake
  EXPECT_THAT(look_after_event(), ElementsAre("a", "b"));
  EXPECT_THAT(look_after(FileFeed::kRest), ElementsAre("a", "b")) << "its writer has it open";
  EXPECT_THAT(look_after(FileFeed::kRest), ElementsAre("a", "b"));
  stream << service("c") << std::flush;
  stream.close();
  EXPECT_THAT(look_after_event(), ElementsAre("a", "b"));
  EXPECT_THAT(look_after(FileFeed::kGrace), ElementsAre("a", "c"));
}

TEST_F(FileFeedTest, AWriterThatNeverClosesIsNotWaitedForForEver) {
  write(service("a"));
  ASSERT_TRUE(feed_.watch());
  look();
  std::ofstream stream(path_, std::ios::trunc);
  stream << service("b") << std::flush;
  EXPECT_THAT(look_after_event(), ElementsAre("a"));
  EXPECT_THAT(look_after(FileFeed::kOpenRest), ElementsAre("b"));
}

TEST_F(FileFeedTest, AFileThatIsEmptyForAMomentDropsNothing) {
  write(service("a"));
  ASSERT_TRUE(feed_.watch());
  look();
  write("");
  look_after_event();
  EXPECT_THAT(look_after(FileFeed::kGrace), ElementsAre("a"));
  EXPECT_THAT(problem(), HasSubstr(path_ + ":1: the file is empty"));
  write(service("b"));
  look_after_event();
  EXPECT_THAT(look_after(FileFeed::kGrace), ElementsAre("b"));
}

TEST_F(FileFeedTest, KeepsWhatItHeldWhenTheFileGoesAndTakesItsReturn) {
  write(service("a"));
  ASSERT_TRUE(feed_.watch());
  look();
  std::filesystem::remove(path_);
  look_after_event();
  EXPECT_FALSE(update_) << "editors remove a file to write it anew";
  EXPECT_THAT(look_after(FileFeed::kGrace), ElementsAre("a"));
  EXPECT_THAT(problem(), HasSubstr("No such file"));
  EXPECT_THAT(look_after(FileFeed::kRest), ElementsAre("a"));
  EXPECT_FALSE(update_) << "said once";
  std::filesystem::create_directory(path_);
  EXPECT_THAT(look_after_rest(), ElementsAre("a"));
  EXPECT_THAT(problem(), HasSubstr("services.yaml"));
  std::filesystem::remove(path_);
  replace(service("b"));
  EXPECT_THAT(look_after_event(), ElementsAre("b"));
}

TEST_F(FileFeedTest, BeginsWithoutAFileOrItsFolder) {
  std::filesystem::remove_all(root_.file("etc"));
  EXPECT_FALSE(feed_.watch());
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_THAT(problem(), HasSubstr("No such file"));
  std::filesystem::create_directory(root_.file("etc"));
  write(service("a"));
  look();
  EXPECT_THAT(look_after(FileFeed::kGrace), ElementsAre("a"));
  replace(service("b"));
  EXPECT_THAT(look_after_event(), ElementsAre("b")) << "it is watched by now";
}

TEST_F(FileFeedTest, FollowsTheSwapOfAMountedConfigMap) {
  const auto add = [&](const std::string& version, const std::string& content) {
    std::filesystem::create_directory(root_.file("etc/" + version));
    (void)root_.write("etc/" + version + "/services.yaml", content);
  };
  add("..1", service("a"));
  std::filesystem::create_symlink("..1", root_.file("etc/..data"));
  std::filesystem::create_symlink("..data/services.yaml", path_);
  ASSERT_TRUE(feed_.watch());
  EXPECT_THAT(look(), ElementsAre("a"));
  add("..2", service("b"));
  std::filesystem::create_symlink("..2", root_.file("etc/..data_tmp"));
  std::filesystem::rename(root_.file("etc/..data_tmp"), root_.file("etc/..data"));
  std::filesystem::remove_all(root_.file("etc/..1"));
  EXPECT_THAT(look_after_event(), ElementsAre("b"));
}

TEST_F(FileFeedTest, FollowsALinkIntoAnotherFolderWithoutEvents) {
  (void)root_.write("a.yaml", service("a"));
  (void)root_.write("b.yaml", service("b"));
  std::filesystem::create_symlink("../a.yaml", path_);
  ASSERT_TRUE(feed_.watch());
  EXPECT_THAT(look(), ElementsAre("a"));
  (void)root_.write("a.yaml", service("c"));
  EXPECT_THAT(look_after_rest(), ElementsAre("c"));
  std::filesystem::create_symlink("../b.yaml", root_.file("etc/.link"));
  std::filesystem::rename(root_.file("etc/.link"), path_);
  EXPECT_THAT(look_after_event(), ElementsAre("b"));
}

TEST_F(FileFeedTest, RefusesAFileThatIsTooLongWithoutReadingIt) {
  write(service("a"));
  look();
  std::filesystem::resize_file(path_, 100U << 20U);
  const auto steps = files_.steps();
  EXPECT_THAT(look_after_rest(), ElementsAre("a"));
  EXPECT_THAT(problem(), HasSubstr("longer than"));
  EXPECT_LT(files_.steps() - steps, 10U);
}

TEST_F(FileFeedTest, TriesAgainWhatMayPass) {
  files_.set_fault([](support::FileStep step, std::uint64_t) {
    return step == support::FileStep::kRead ? EIO : 0;
  });
  write(service("a"));
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_THAT(problem(), HasSubstr("Input/output error"));
  files_.set_fault([](support::FileStep, std::uint64_t) { return 0; });
  EXPECT_THAT(look_after(FileFeed::kRest), ElementsAre("a"));
}

TEST_F(FileFeedTest, AFileThatMayNotBeReadIsReadOnceItMay) {
  files_.set_fault([](support::FileStep step, std::uint64_t) {
    return step == support::FileStep::kOpen ? EACCES : 0;
  });
  write(service("a"));
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_THAT(problem(), HasSubstr("Permission denied"));
  files_.set_fault([](support::FileStep, std::uint64_t) { return 0; });
  std::filesystem::permissions(path_, std::filesystem::perms::owner_read);
  EXPECT_THAT(look_after_rest(), ElementsAre("a"));
}

TEST_F(FileFeedTest, OneChangedServiceOfTenThousandTouchesOne) {
  constexpr int kServices = 10'000;
  std::string text;
  for (int i = 0; i < kServices; ++i) {
    text += service(fmt::format("svc-{}", i));
  }
  write(text);
  ASSERT_THAT(look(), SizeIs(kServices));
  write(text + "addresses: [192.0.2.1]\n");
  EXPECT_THAT(look_after_rest(), SizeIs(kServices));
  ASSERT_TRUE(update_);
  EXPECT_EQ(update_->parsed, 1U);
  EXPECT_THAT(touched_.services, SizeIs(1));
  EXPECT_THAT(touched_.endpoints, IsEmpty());
  EXPECT_THAT(touched_.removed_services, IsEmpty());
}

// What the state folder keeps says the same as the file did.
TEST_F(FileFeedTest, WhatIsKeptOnDiskIsReadBack) {
  write(service("a") +
        "answers: endpoints\ntags: {x: y}\nports: [{port: 80, protocol: grpc}]\n"
        "endpoints: [{address: 192.0.2.1, port: 80, instance: one, health: unhealthy}]\n"
        "---\ntype: Record\nname: db.internal\naddresses: ['2001:db8::1']\nttl: 0\n");
  look();
  ASSERT_TRUE(update_);
  for (const ServiceDelta& told : update_->deltas) {
    ResponseView view;
    for (const AcceptedResource& each : told.accepted) {
      view.resources.push_back(
          {.name = each.name, .version = {}, .value = each.value, .type_url = {}});
    }
    std::vector<Rejection> rejections;
    const ServiceDelta back = FileFeed::read(told.feed, view, "default", rejections);
    EXPECT_THAT(rejections, IsEmpty());
    EXPECT_EQ(back.feed, told.feed);
    EXPECT_EQ(back.services, told.services);
    EXPECT_EQ(back.records, told.records);
    EXPECT_THAT(back.accepted, testing::UnorderedElementsAreArray(told.accepted));
    if (!told.accepted.empty()) {
      EXPECT_EQ(back.endpoints, told.endpoints);
    }
  }
}

}  // namespace
}  // namespace meshdns::discovery
