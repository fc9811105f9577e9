#include "discovery/control/dataplane_directory.h"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>
#include <poll.h>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/log.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/grpc_rules.h"
#include "discovery/control/last_good_files.h"
#include "discovery/dataplane.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

std::string entity(const std::string& name) {
  return "type: Dataplane\nmesh: default\nname: " + name +
         "\nnetworking:\n  address: 192.0.2.1\n  inbound:\n  - port: 80\n    tags: "
         "{kuma.io/service: " +
         name + "}\n";
}

// The service itself, its endpoints and its dataplane; for gRPC's clients listener, routes, cluster
// and endpoints.
constexpr std::size_t kResourcesOfAService = 7;

class DataplaneDirectoryTest : public testing::Test {
 protected:
  void start() {
    ASSERT_TRUE(directory_.watch());
    ASSERT_TRUE(directory_.load());
  }
  // Waits for the kernel to tell of the change, within a hang bound.
  void take_events() {
    pollfd waiting{directory_.watch_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&waiting, 1, 60'000), 1);
    directory_.on_events();
  }
  void pass_grace() {
    clock_.advance(DataplaneDirectory::kRemovalGrace);
    directory_.expire();
  }
  // As many scans as a file must rest for.
  void rescan_until_rested() {
    for (int i = 0; i <= DataplaneDirectory::kRestingScans; ++i) {
      directory_.rescan();
    }
  }
  [[nodiscard]] ResourceSet::Stats published() {
    return store_.resources("default").value()->stats();
  }
  [[nodiscard]] std::vector<std::string> served_endpoints() {
    std::vector<std::string> names;
    const auto resources = store_.resources("default").value();
    resources->read(kClusterLoadAssignmentTypeUrl, [&](const TypeTable& table) {
      for (const auto& [sequence, entry] : table.log()) {
        if (entry->resource != nullptr) {
          names.push_back(entry->name);
        }
      }
    });
    return names;
  }

  support::TemporaryDirectory root_;
  std::string path_ = root_.file("dataplanes");
  PosixFileSystem files_;
  support::ManualClock clock_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  DataplaneStore store_{"home", logs_->logger("control")};
  DataplaneDirectory directory_{path_, files_, clock_, store_, logs_->logger("control")};

  void SetUp() override { std::filesystem::create_directory(path_); }
  void write(const std::string& name, const std::string& content) const {
    (void)root_.write("dataplanes/" + name, content);
  }
  void remove(const std::string& name) const { std::filesystem::remove(path_ + "/" + name); }
  void rename(const std::string& from, const std::string& to) const {
    std::filesystem::rename(path_ + "/" + from, path_ + "/" + to);
  }
};

TEST_F(DataplaneDirectoryTest, FollowsFilesThatComeAndChange) {
  write("a.yaml", entity("web"));
  write("notes.txt", "not for us");
  write(".hidden.yaml", "nor this");
  start();
  EXPECT_EQ(store_.services(), 1U);
  write("b.yml", entity("redis") + "---\n" + entity("backend"));
  take_events();
  EXPECT_EQ(store_.services(), 3U);
  write("b.yml", entity("redis"));
  take_events();
  pass_grace();
  EXPECT_EQ(store_.services(), 2U);
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DataplaneDirectoryTest, DropsARemovedFileAfterItsGrace) {
  write("a.yaml", entity("web"));
  write("b.yaml", entity("redis"));
  start();
  EXPECT_EQ(directory_.next_expiry(), std::nullopt);
  remove("a.yaml");
  take_events();
  EXPECT_EQ(store_.services(), 2U);
  EXPECT_EQ(directory_.next_expiry(), clock_.now() + DataplaneDirectory::kRemovalGrace);
  pass_grace();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_EQ(directory_.next_expiry(), std::nullopt);
}

TEST_F(DataplaneDirectoryTest, PublishesNoRemovalWhenAnEditorWritesAFileAnew) {
  write("a.yaml", entity("web"));
  start();
  const auto before = published();
  rename("a.yaml", "a.yaml~");
  take_events();
  write("a.yaml", entity("web"));
  take_events();
  pass_grace();
  EXPECT_EQ(published().commits, before.commits);
  EXPECT_EQ(store_.services(), 1U);
}

TEST_F(DataplaneDirectoryTest, TakesAFileThatIsRenamedOverAnother) {
  write("a.yaml", entity("web"));
  start();
  write("a.yaml.new", entity("shop"));
  rename("a.yaml.new", "a.yaml");
  take_events();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_EQ(published().resources, kResourcesOfAService);
  EXPECT_EQ(published().commits, 2U);
}

TEST_F(DataplaneDirectoryTest, KeepsWhatABrokenOrEmptiedFileHeld) {
  write("a.yaml", entity("web"));
  start();
  for (const std::string content : {"type: [Datapl", ""}) {
    write("a.yaml", content);
    take_events();
    EXPECT_EQ(store_.services(), 1U);
    EXPECT_THAT(directory_.problems(), ElementsAre(StartsWith(path_ + "/a.yaml:1: ")));
  }
  write("a.yaml", entity("web"));
  take_events();
  EXPECT_TRUE(directory_.problems().empty());
  EXPECT_EQ(directory_.problem_count(), 0U);
}

TEST_F(DataplaneDirectoryTest, DoesNotReadAFileThatIsStillOpenForWriting) {
  write("a.yaml", entity("web") + "---\n" + entity("redis"));
  start();
  std::FILE* writer = std::fopen((path_ + "/a.yaml").c_str(), "w");
  ASSERT_NE(writer, nullptr);
  // A cut at a document's end is good YAML: only the open writer tells.
  (void)std::fputs(entity("web").c_str(), writer);
  (void)std::fflush(writer);
  take_events();
  rescan_until_rested();
  EXPECT_EQ(store_.services(), 2U);
  (void)std::fputs(("---\n" + entity("backend") + "---\n" + entity("shop")).c_str(), writer);
  (void)std::fclose(writer);
  take_events();
  pass_grace();
  EXPECT_EQ(store_.services(), 3U);
}

TEST_F(DataplaneDirectoryTest, ReadsAFileWhoseWriterNeverClosesItInTheEnd) {
  write("a.yaml", entity("web"));
  start();
  std::FILE* writer = std::fopen((path_ + "/a.yaml").c_str(), "w");
  ASSERT_NE(writer, nullptr);
  (void)std::fputs(entity("shop").c_str(), writer);
  (void)std::fflush(writer);
  take_events();
  for (int i = 0; i <= DataplaneDirectory::kOpenScans; ++i) {
    EXPECT_EQ(published().commits, 1U) << i;
    directory_.rescan();
  }
  EXPECT_EQ(published().commits, 2U);
  (void)std::fclose(writer);
}

TEST_F(DataplaneDirectoryTest, AFileAppendedToOctetByOctetNeverLosesWhatItHeld) {
  const std::string whole = entity("web") + "---\n" + entity("redis");
  write("a.yaml", whole);
  start();
  const auto before = published();
  write("a.yaml", "");
  take_events();
  for (const char octet : whole) {
    std::FILE* writer = std::fopen((path_ + "/a.yaml").c_str(), "a");
    ASSERT_NE(writer, nullptr);
    (void)std::fputc(octet, writer);
    (void)std::fclose(writer);
    take_events();
  }
  EXPECT_EQ(published().commits, before.commits);
  EXPECT_EQ(directory_.next_expiry(), std::nullopt);
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DataplaneDirectoryTest, DropsWhatAFileWrittenInPlaceHasLostOnceItRests) {
  write("a.yaml", entity("web") + "---\n" + entity("redis"));
  start();
  write("a.yaml", entity("web"));
  take_events();
  EXPECT_EQ(store_.services(), 2U);
  clock_.advance(DataplaneDirectory::kRemovalGrace / 2);
  write("a.yaml", "# the same\n" + entity("web"));
  take_events();
  EXPECT_EQ(directory_.next_expiry(), clock_.now() + DataplaneDirectory::kRemovalGrace);
  clock_.advance(DataplaneDirectory::kRemovalGrace / 2);
  directory_.expire();
  EXPECT_EQ(store_.services(), 2U) << "it was written to since";
  pass_grace();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_EQ(directory_.next_expiry(), std::nullopt);
}

TEST_F(DataplaneDirectoryTest, AFileThatIsOpenAgainSettlesWhenItsWriterHasClosedIt) {
  write("a.yaml", entity("web") + "---\n" + entity("redis"));
  start();
  write("a.yaml", entity("web"));
  take_events();
  std::FILE* writer = std::fopen((path_ + "/a.yaml").c_str(), "a");
  ASSERT_NE(writer, nullptr);
  (void)std::fputs("---\n", writer);
  (void)std::fflush(writer);
  take_events();
  pass_grace();
  EXPECT_EQ(store_.services(), 2U);
  (void)std::fputs(entity("redis").c_str(), writer);
  (void)std::fclose(writer);
  take_events();
  EXPECT_EQ(store_.services(), 2U);
  EXPECT_EQ(published().commits, 1U);
}

TEST_F(DataplaneDirectoryTest, FindsWithoutEventsWhatHasSettled) {
  ASSERT_TRUE(directory_.load());
  write("a.yaml", entity("web"));
  directory_.rescan();
  EXPECT_EQ(store_.services(), 0U);
  directory_.rescan();
  EXPECT_EQ(store_.services(), 1U);
  remove("a.yaml");
  directory_.rescan();
  pass_grace();
  EXPECT_EQ(store_.services(), 0U);
}

TEST_F(DataplaneDirectoryTest, ReportsADuplicateAndServesItWhenTheFirstGoes) {
  write("a.yaml", entity("web"));
  write("b.yaml", entity("web"));
  start();
  EXPECT_THAT(directory_.problems(),
              ElementsAre(HasSubstr("b.yaml:1: the dataplane default/web is already at")));
  EXPECT_EQ(directory_.problem_count(), 1U);
  remove("a.yaml");
  take_events();
  pass_grace();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DataplaneDirectoryTest, AFilesNameForgesNoLine) {
  write("a\nb\x1b[31m.yaml", "type: Mesh\n" + entity("web") + "---\n");
  write("z.yaml", entity("web"));
  write("z\n.yaml", entity("web"));
  start();
  EXPECT_THAT(directory_.problems(),
              ElementsAre(StartsWith(path_ + "/a?b?[31m.yaml:"),
                          HasSubstr("is already at " + path_ + "/z?.yaml:1")));
}

// A dataplane as no file can hold it: more than a client of gRPC's receives.
DataplaneChange too_much(const std::string& service) {
  auto dataplane = std::make_shared<Dataplane>();
  dataplane->mesh = "default";
  dataplane->name = service + "-1";
  Inbound& inbound = dataplane->inbounds.emplace_back();
  inbound.port = 80;
  inbound.tags = {{"kuma.io/service", service},
                  {"kuma.io/zone", std::string(kMaxGrpcResourceBytes, 'z')}};
  return {.put = {{dataplane->id(), {dataplane, std::make_shared<const int>(7)}}}, .removed = {}};
}

TEST_F(DataplaneDirectoryTest, NamesTheDataplaneOfWhichGrpcWouldRefuseSomething) {
  write("a.yaml", entity("web"));
  start();
  const DataplaneChange change = too_much("big");
  store_.change_file("b.yaml", change);
  directory_.rescan();
  EXPECT_THAT(directory_.problems(),
              ElementsAre(StartsWith("b.yaml:7: service default/big: left out, since gRPC would "
                                     "refuse the endpoints 'default/big:80': endpoints: its ")));
  EXPECT_EQ(directory_.problem_count(), 1U);
  EXPECT_EQ(store_.refused_for_grpc(), 1U);
  EXPECT_THAT(served_endpoints(),
              UnorderedElementsAre("default/web", "default/web:80", "default/big"));
  store_.change_file("b.yaml", {.put = {}, .removed = {change.put.front().first}});
  directory_.rescan();
  EXPECT_EQ(directory_.problem_count(), 0U);
}

TEST_F(DataplaneDirectoryTest, PublishesOnlyWhatAChangeTouches) {
  for (int i = 0; i < 100; ++i) {
    write(std::to_string(i) + ".yaml", entity("s" + std::to_string(i)));
  }
  start();
  const auto before = published();
  EXPECT_EQ(before.resources, 100 * kResourcesOfAService);
  write("7.new", entity("other"));
  rename("7.new", "7.yaml");
  take_events();
  const auto after = published();
  EXPECT_EQ(after.resources, 100 * kResourcesOfAService);
  EXPECT_EQ(after.serialisations - before.serialisations, kResourcesOfAService);
  EXPECT_EQ(after.commits - before.commits, 1U);
  EXPECT_EQ(store_.services_generated(), 101U);
}

TEST_F(DataplaneDirectoryTest, FollowsAFolderThatIsSwappedByALinkInsideIt) {
  // As Kubernetes mounts a ConfigMap: a.yaml -> ..data/a.yaml, and ..data -> ..1, then ..2.
  for (const std::string version : {"..1", "..2"}) {
    std::filesystem::create_directory(path_ + "/" + version);
  }
  write("..1/a.yaml", entity("web"));
  write("..1/b.yaml", entity("redis"));
  write("..2/a.yaml", entity("web") + "---\n" + entity("shop"));
  std::filesystem::create_symlink("..1", path_ + "/..data");
  std::filesystem::create_symlink("..data/a.yaml", path_ + "/a.yaml");
  std::filesystem::create_symlink("..data/b.yaml", path_ + "/b.yaml");
  start();
  EXPECT_EQ(store_.dataplanes(), 2U);
  std::filesystem::create_symlink("..2", path_ + "/..data_tmp");
  rename("..data_tmp", "..data");
  take_events();
  // b.yaml is a dangling link for now: no file, but not removed either.
  EXPECT_EQ(store_.dataplanes(), 3U);
  remove("b.yaml");
  take_events();
  pass_grace();
  EXPECT_EQ(store_.dataplanes(), 2U);
  EXPECT_TRUE(directory_.problems().empty());
}

TEST_F(DataplaneDirectoryTest, FollowsALinkToTheFolderThatIsTurned) {
  std::filesystem::remove(path_);
  for (const std::string version : {"v1", "v2"}) {
    std::filesystem::create_directory(root_.file(version));
  }
  (void)root_.write("v1/a.yaml", entity("web"));
  (void)root_.write("v2/a.yaml", entity("web") + "---\n" + entity("shop"));
  std::filesystem::create_symlink("v1", path_);
  start();
  std::filesystem::create_symlink("v2", path_ + ".new");
  std::filesystem::rename(path_ + ".new", path_);
  directory_.follow_folder();
  EXPECT_EQ(store_.services(), 2U);
  // Its events are those of the new folder from then on.
  (void)root_.write("v2/b.yaml", entity("redis"));
  take_events();
  EXPECT_EQ(store_.services(), 3U);
}

TEST_F(DataplaneDirectoryTest, FindsEverythingWhenEventsAreLost) {
  write("a.yaml", entity("web"));
  write("gone.yaml", entity("gone"));
  start();
  std::FILE* writer = std::fopen((path_ + "/a.yaml").c_str(), "w");
  ASSERT_NE(writer, nullptr);
  (void)std::fputs((entity("web") + "---\n" + entity("shop")).c_str(), writer);
  (void)std::fflush(writer);
  // The queue is full of events about other files when the writer closes this one.
  std::size_t limit = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
  // In turn, since equal events after each other count once.
  std::ofstream one(path_ + "/one.txt");
  std::ofstream other(path_ + "/other.txt");
  for (std::size_t i = 0; i <= limit / 2; ++i) {
    one << 'x' << std::flush;
    other << 'x' << std::flush;
  }
  (void)std::fclose(writer);
  write("new.yaml", entity("new"));
  remove("gone.yaml");
  take_events();
  EXPECT_EQ(store_.services(), 4U);
  pass_grace();
  EXPECT_EQ(store_.services(), 3U);
  EXPECT_EQ(directory_.next_expiry(), std::nullopt);
}

TEST_F(DataplaneDirectoryTest, ReadsAFolderThatCameWhileAFileWasMissing) {
  write("a.yaml", entity("web"));
  write("b.yaml", entity("redis"));
  start();
  remove("b.yaml");
  take_events();
  std::filesystem::rename(path_, path_ + ".away");
  std::filesystem::create_directory(path_);
  write("a.yaml", entity("web") + "---\n" + entity("shop"));
  pass_grace();
  EXPECT_EQ(store_.services(), 3U);
  pass_grace();
  EXPECT_EQ(store_.services(), 2U);
}

TEST_F(DataplaneDirectoryTest, KeepsEverythingWhenTheFolderVanishes) {
  write("a.yaml", entity("web"));
  start();
  std::filesystem::rename(path_, path_ + ".away");
  directory_.rescan();
  pass_grace();
  EXPECT_EQ(store_.services(), 1U);
  EXPECT_THAT(directory_.problems(), ElementsAre(HasSubstr(path_)));
  std::filesystem::rename(path_ + ".away", path_);
  directory_.rescan();
  EXPECT_TRUE(directory_.problems().empty());
  write("b.yaml", entity("redis"));
  take_events();
  EXPECT_EQ(store_.services(), 2U);
}

TEST_F(DataplaneDirectoryTest, KeepsEverythingWhenTheFolderIsRemovedAndFilledAgain) {
  write("a.yaml", entity("web"));
  write("b.yaml", entity("redis"));
  start();
  const auto before = published();
  std::filesystem::remove_all(path_);
  take_events();
  for (int i = 0; i < 10; ++i) {
    pass_grace();
    directory_.rescan();
  }
  EXPECT_EQ(store_.services(), 2U);
  std::filesystem::create_directory(path_);
  clock_.advance(DataplaneDirectory::kRemovalGrace);
  directory_.expire();  // the grace begins anew with the folder
  EXPECT_EQ(store_.services(), 2U);
  write("a.yaml", entity("web"));
  take_events();
  EXPECT_EQ(published().commits, before.commits);
  pass_grace();
  EXPECT_EQ(store_.services(), 1U);
}

// A volume that is unmounted leaves an empty folder behind.
TEST_F(DataplaneDirectoryTest, KeepsEverythingWhileAnEmptyFolderStandsInItsPlace) {
  write("a.yaml", entity("web"));
  write("b.yaml", entity("redis"));
  start();
  std::filesystem::rename(path_, path_ + ".away");
  std::filesystem::create_directory(path_);
  for (int i = 0; i < 3; ++i) {
    directory_.rescan();
    pass_grace();
  }
  EXPECT_EQ(store_.services(), 2U);
  EXPECT_THAT(directory_.problems(), ElementsAre(HasSubstr(path_ + " is another folder")));
  EXPECT_FALSE(directory_.is_whole());
  write("a.yaml", entity("web"));
  directory_.rescan();
  pass_grace();
  EXPECT_EQ(store_.services(), 1U) << "the folder is what it is now";
  EXPECT_TRUE(directory_.problems().empty());
  remove("a.yaml");
  directory_.rescan();
  pass_grace();
  EXPECT_EQ(store_.services(), 0U) << "its last file, too, may go";
}

// A control plane's process, of which one comes after the other.
class DataplaneDirectoryOverRestarts : public DataplaneDirectoryTest {
 protected:
  struct Process {
    explicit Process(DataplaneDirectoryOverRestarts& test)
        : store("home", test.logs_->logger("control")),
          last_good(LastGoodFiles::open(test.root_.file("state"), test.path_, test.state_files_,
                                        test.logs_->logger("control"))
                        .value()),
          directory(test.path_, test.files_, test.clock_, store, test.logs_->logger("control")) {
      directory.remember_in(*last_good);
      EXPECT_TRUE(directory.watch());
      EXPECT_TRUE(directory.load());
    }
    void scan() {
      directory.on_events();
      directory.rescan();
    }
    void pass_grace(support::ManualClock& clock) {
      clock.advance(DataplaneDirectory::kRemovalGrace);
      directory.expire();
    }

    DataplaneStore store;
    std::unique_ptr<LastGoodFiles> last_good;
    DataplaneDirectory directory;
  };
  void start_again() {
    process_.reset();
    process_.emplace(*this);
  }
  support::FaultyFileSystem state_files_;
  std::optional<Process> process_;
};

TEST_F(DataplaneDirectoryOverRestarts, ABadFileHoldsWhatItHeldBefore) {
  write("a.yaml", entity("web") + "---\n" + entity("redis"));
  write("b.yaml", entity("api"));
  start_again();
  write("a.yaml", entity("web") + "---\ntype: Datap");
  process_->scan();
  ASSERT_EQ(process_->store.services(), 3U);
  for (int i = 0; i < 2; ++i) {
    start_again();
    EXPECT_EQ(process_->store.services(), 3U);
    EXPECT_THAT(process_->directory.problems(), ElementsAre(HasSubstr("a.yaml:")));
    process_->scan();
  }
  write("a.yaml", entity("web"));
  process_->scan();
  process_->pass_grace(clock_);
  EXPECT_EQ(process_->store.services(), 2U);
  start_again();
  EXPECT_EQ(process_->store.services(), 2U);
  EXPECT_FALSE(process_->last_good->has("a.yaml"));
}

TEST_F(DataplaneDirectoryOverRestarts, WhatAFullDiskDidNotTakeIsKeptWhenThereIsRoom) {
  write("a.yaml", entity("web"));
  start_again();
  state_files_.set_fault([](support::FileStep step, std::uint64_t /*index*/) {
    return step == support::FileStep::kWrite ? ENOSPC : 0;
  });
  write("a.yaml", "{");
  process_->scan();
  ASSERT_TRUE(support::wait_until([this] { return !process_->last_good->has("a.yaml"); }));
  process_->scan();
  ASSERT_TRUE(support::wait_until([this] { return !process_->last_good->has("a.yaml"); }));
  state_files_.set_fault({});
  process_->scan();
  start_again();
  EXPECT_EQ(process_->store.services(), 1U);
}

TEST_F(DataplaneDirectoryOverRestarts, AFileThatCannotBeReadHoldsWhatItHeldBefore) {
  write("a.yaml", entity("web"));
  start_again();
  remove("a.yaml");
  std::filesystem::create_directory(path_ + "/a.yaml");
  process_->scan();
  process_->scan();
  start_again();
  EXPECT_EQ(process_->store.services(), 1U);
  EXPECT_THAT(process_->directory.problems(), ElementsAre(HasSubstr("not a regular file")));
}

TEST_F(DataplaneDirectoryOverRestarts, WhatWasMendedOrRemovedMeanwhileIsAsItIsNow) {
  write("a.yaml", entity("web"));
  write("b.yaml", entity("api"));
  start_again();
  write("a.yaml", "{");
  write("b.yaml", "{");
  process_->directory.finish();  // the end may come at once
  process_.reset();
  write("a.yaml", entity("redis"));
  remove("b.yaml");
  start_again();
  process_->pass_grace(clock_);
  EXPECT_EQ(process_->store.services(), 1U);
  EXPECT_FALSE(process_->store.claims({"default", "redis"}).empty());
  process_.reset();
  write("b.yaml", "{");
  start_again();
  EXPECT_EQ(process_->store.services(), 1U);
}

// Written in place, it is whole now and then on its way.
TEST_F(DataplaneDirectoryOverRestarts, AFileThatIsBeingWrittenHoldsAllThatItHeld) {
  const std::string whole = entity("web") + "---\n" + entity("redis");
  write("a.yaml", whole);
  start_again();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write("a.yaml", whole.substr(0, size));
    process_->directory.on_events();
    if (size % 10 == 0) {
      process_->directory.finish();
      start_again();
    }
    ASSERT_EQ(process_->store.services(), 2U) << size;
  }
}

TEST_F(DataplaneDirectoryTest, CannotLoadAFolderThatIsNotThere) {
  std::filesystem::remove(path_);
  EXPECT_FALSE(directory_.watch());
  const auto loaded = directory_.load();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr(path_));
}

}  // namespace
}  // namespace meshdns::discovery
