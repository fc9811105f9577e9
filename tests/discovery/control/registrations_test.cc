#include "discovery/control/registrations.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/registration_file.h"
#include "discovery/xds/node.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string dataplane(const std::string& port = "80", const std::string& more = "") {
  return "type: Dataplane\nmesh: default\nname: web-1\n" + more +
         "networking:\n  address: 192.0.2.1\n  inbound:\n    - port: " + port +
         "\n      tags: {kuma.io/service: web}\n";
}

NodeInfo node(const std::string& resource, const std::string& zone = "") {
  NodeInfo info;
  info.id = "default.web-1";
  info.zone = zone;
  info.metadata = {{"dataplane.resource", resource}};
  return info;
}

class RegistrationsTest : public testing::Test {
 protected:
  // Whatever is due now; timers of a long delay are not.
  void settle() {
    io_.restart();
    io_.poll();
  }
  // The port of the dataplane that counts; 0: there is none.
  [[nodiscard]] int port() const {
    const auto claims = store_->claims({"default", "web-1"});
    return claims.empty() ? 0 : claims.front().entity.dataplane->inbounds.front().port;
  }
  std::string refusal(const NodeInfo& info) {
    const auto admitted = registrations_.admit(info);
    settle();
    EXPECT_EQ(store_->dataplanes(), 0U);
    return admitted ? "" : admitted.error().message;
  }

  boost::asio::io_context io_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  std::unique_ptr<DataplaneStore> store_ =
      std::make_unique<DataplaneStore>("east", logs_->logger("control"));
  int changes_ = 0;
  Registrations registrations_{{.zone = "east", .deregistration_delay = std::chrono::hours(1)},
                               io_,
                               *store_,
                               logs_->logger("control"),
                               [this] { ++changes_; }};
};

TEST_F(RegistrationsTest, ADataplaneCountsFromItsFirstRequestOn) {
  const auto presence = registrations_.admit(node(dataplane()));
  ASSERT_TRUE(presence);
  settle();
  EXPECT_EQ(port(), 80);
  EXPECT_EQ(changes_, 1);
}

TEST_F(RegistrationsTest, ANodeThatBringsNoneIsNoDataplane) {
  EXPECT_EQ(registrations_.admit(NodeInfo{}).value(), nullptr);
  settle();
  EXPECT_EQ(registrations_.size(), 0U);
}

TEST_F(RegistrationsTest, GetsTheZoneOfTheControlPlaneWhereItSaysNone) {
  const auto presence = registrations_.admit(node(dataplane(), "east"));
  settle();
  const auto claims = store_->claims({"default", "web-1"});
  ASSERT_EQ(claims.size(), 1U);
  EXPECT_EQ(claims.front().entity.dataplane->labels.at("kuma.io/zone"), "east");
}

TEST_F(RegistrationsTest, RefusesAnotherZoneThanTheControlPlanesAndTheNodes) {
  EXPECT_EQ(refusal(node(dataplane("80", "labels: {kuma.io/zone: west}\n"))),
            "dataplane.resource: labels: kuma.io/zone is west, and the control plane's zone east");
  EXPECT_THAT(refusal(node("type: Dataplane\nname: web-1\nnetworking: {address: 192.0.2.1, "
                           "inbound: [{port: 80, tags: {kuma.io/service: web, "
                           "kuma.io/zone: west}}]}\n")),
              HasSubstr("networking.inbound[0].tags: kuma.io/zone is west"));
  EXPECT_THAT(refusal(node(dataplane(), "west")), HasSubstr("the node's zone is west"));
}

TEST_F(RegistrationsTest, NamesEachFieldThatIsWrong) {
  EXPECT_THAT(refusal(node(dataplane("0", "extra: 1\n"))),
              AllOf(StartsWith("dataplane.resource: 'extra' is no key of the document"),
                    HasSubstr("; networking.inbound[0].port: port: '0' must be a port")));
}

TEST_F(RegistrationsTest, RefusesWhatIsNotTheNodesOwn) {
  NodeInfo other = node(dataplane());
  other.id = "default.web-2";
  EXPECT_EQ(refusal(other), "dataplane.resource: it is default.web-1, and the node default.web-2");
  NodeInfo elsewhere = node(dataplane());
  elsewhere.metadata["mesh"] = "shop";
  EXPECT_THAT(refusal(elsewhere), HasSubstr("it is of the mesh default, and the node of shop"));
}

TEST_F(RegistrationsTest, RefusesWhatIsNoSingleDataplane) {
  for (const std::string text : {"", "{}", "[]", "{", "type: Mesh\nname: web-1\n"}) {
    EXPECT_THAT(refusal(node(text)), StartsWith("dataplane.resource: ")) << text;
  }
  EXPECT_THAT(refusal(node(dataplane() + "---\n" + dataplane())), HasSubstr("one Dataplane"));
}

TEST_F(RegistrationsTest, StaysForTheDelayWhenItsStreamEnds) {
  auto presence = registrations_.admit(node(dataplane()));
  settle();
  presence = nullptr;
  settle();
  EXPECT_EQ(port(), 80);
  const auto back = registrations_.admit(node(dataplane("81")));
  settle();
  EXPECT_EQ(port(), 81);
}

TEST_F(RegistrationsTest, LeavesWhenTheDelayIsOver) {
  Registrations at_once({.zone = "east", .deregistration_delay = std::chrono::milliseconds(0)}, io_,
                        *store_, logs_->logger("control"), [] {});
  auto presence = at_once.admit(node(dataplane()));
  settle();
  ASSERT_EQ(port(), 80);
  presence = nullptr;
  settle();
  EXPECT_EQ(port(), 0);
  EXPECT_EQ(at_once.size(), 0U);
}

TEST_F(RegistrationsTest, OfTwoStreamsTheNewerCountsAndTheEndOfTheOlderIsNone) {
  Registrations at_once({.zone = "east", .deregistration_delay = std::chrono::milliseconds(0)}, io_,
                        *store_, logs_->logger("control"), [] {});
  auto older = at_once.admit(node(dataplane("80")));
  auto newer = at_once.admit(node(dataplane("81")));
  settle();
  EXPECT_EQ(port(), 81);
  older = nullptr;
  settle();
  EXPECT_EQ(port(), 81);
  newer = nullptr;
  settle();
  EXPECT_EQ(port(), 0);
}

// gRPC's clients have a stream for each target, all with the same node.
TEST_F(RegistrationsTest, ADataplaneLastsAsLongAsAnyOfItsStreams) {
  Registrations at_once({.zone = "east", .deregistration_delay = std::chrono::milliseconds(0)}, io_,
                        *store_, logs_->logger("control"), [] {});
  auto first = at_once.admit(node(dataplane("80")));
  auto second = at_once.admit(node(dataplane("81")));
  auto third = at_once.admit(node(dataplane("82")));
  settle();
  second = nullptr;
  third = nullptr;
  settle();
  EXPECT_EQ(port(), 80) << "what lasts counts";
  EXPECT_EQ(at_once.size(), 1U);
  first = nullptr;
  settle();
  EXPECT_EQ(port(), 0);
}

TEST_F(RegistrationsTest, AnOlderStreamCountsOnlyWhenTheDelayOfTheNewerIsOver) {
  const auto older = registrations_.admit(node(dataplane("80")));
  auto newer = registrations_.admit(node(dataplane("81")));
  settle();
  newer = nullptr;
  settle();
  EXPECT_EQ(port(), 81);
}

TEST_F(RegistrationsTest, LeavesBehindOfAStreamThatEndsAtOnceNothing) {
  Registrations at_once({.zone = "east", .deregistration_delay = std::chrono::milliseconds(0)}, io_,
                        *store_, logs_->logger("control"), [] {});
  (void)at_once.admit(node(dataplane()));
  settle();
  EXPECT_EQ(port(), 0);
}

// A control plane that starts anew on the folder of the one before.
class RegistrationsOnDisk : public RegistrationsTest {
 protected:
  std::unique_ptr<Registrations> start(std::chrono::milliseconds delay = std::chrono::hours(1)) {
    store_ = std::make_unique<DataplaneStore>("east", logs_->logger("control"));
    auto made = std::make_unique<Registrations>(
        Registrations::Options{.zone = "east", .deregistration_delay = delay}, io_, *store_,
        logs_->logger("control"), [] {});
    made->load(folder_.file("state"), files_);
    store_->commit();
    return made;
  }

  // One that has read what another wrote that ended while a stream had registered a dataplane.
  std::unique_ptr<Registrations> start_after(const std::string& registered_port,
                                             std::chrono::milliseconds delay) {
    auto registrations = start();
    {
      const auto presence = registrations->admit(node(dataplane(registered_port))).value();
      settle();
      registrations->finish();
    }
    settle();  // the stream has ended, and it is waited for
    registrations.reset();
    return start(delay);
  }

  // The control thread, while the disk's is at work, too.
  template <typename Predicate>
  void run_until(const Predicate& predicate) {
    io_.restart();
    const auto work = boost::asio::make_work_guard(io_);
    while (!predicate()) {
      ASSERT_GT(io_.run_one_for(std::chrono::seconds(60)), 0U);
    }
  }

  support::TemporaryDirectory folder_;
  std::atomic<bool> is_full_ = false;
  support::FaultyFileSystem files_;
};

TEST_F(RegistrationsOnDisk, CountWhenTheProgramStartsAgain) {
  const auto registrations = start_after("81", std::chrono::hours(1));
  EXPECT_EQ(port(), 81);
  EXPECT_EQ(registrations->size(), 1U);
}

TEST_F(RegistrationsOnDisk, AreReadAsTheyCameWhateverTheyBeginWith) {
  const std::vector<std::string> texts = {dataplane("80"), "---\n" + dataplane("81"),
                                          "%YAML 1.2\n---\n" + dataplane("82") + "...\n",
                                          "# mine\n" + dataplane("83")};
  const auto file = RegistrationFile::open(folder_.file("state"), files_).value();
  ASSERT_TRUE(file->write(texts));
  const auto read = file->read();
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_THAT((*read)[i], HasSubstr("port: 8" + std::to_string(i)));
  }
}

TEST_F(RegistrationsOnDisk, GoWhenNobodyComesBack) {
  const auto registrations = start_after("80", std::chrono::milliseconds(0));
  registrations->await_streams();
  EXPECT_EQ(port(), 80);
  io_.restart();
  while (registrations->size() > 0 && io_.run_one() > 0) {
  }
  EXPECT_EQ(port(), 0);
}

// Reading a large folder takes longer than the delay.
TEST_F(RegistrationsOnDisk, AreWaitedForFromWhenTheyCanComeBack) {
  const auto registrations = start_after("80", std::chrono::milliseconds(0));
  settle();
  EXPECT_EQ(port(), 80);
  registrations->await_streams();
  const auto presence = registrations->admit(node(dataplane("81"))).value();
  settle();
  EXPECT_EQ(port(), 81);
}

TEST_F(RegistrationsOnDisk, LeaveOutWhatIsNoGoodAnyMore) {
  std::filesystem::create_directories(folder_.file("state"));
  folder_.write("state/registrations.yaml",
                "# a comment\n---\n" + dataplane("80", "labels: {kuma.io/zone: west}\n") +
                    "---\n{broken\n---\n" +
                    "type: Dataplane\nmesh: default\nname: web-2\nnetworking: {address: "
                    "192.0.2.1, inbound: [{port: 80, tags: {kuma.io/service: web}}]}\n");
  const auto registrations = start();
  EXPECT_EQ(registrations->size(), 1U);
  EXPECT_FALSE(store_->claims({"default", "web-2"}).empty());
}

TEST_F(RegistrationsOnDisk, AreServedWhereTheDiskTakesNone) {
  files_.set_fault([this](support::FileStep step, std::uint64_t /*index*/) {
    return is_full_ && step == support::FileStep::kWrite ? ENOSPC : 0;
  });
  const auto registrations = start();
  is_full_ = true;
  const auto presence = registrations->admit(node(dataplane())).value();
  settle();
  registrations->write();
  run_until([&] { return !registrations->note().empty(); });
  EXPECT_EQ(port(), 80);
  EXPECT_THAT(registrations->note(), HasSubstr("cannot be kept over a restart"));
  is_full_ = false;
  run_until([&] { return registrations->note().empty(); });  // it tries again by itself
  EXPECT_THAT(folder_.read("state/registrations.yaml"), HasSubstr("web-1"));
}

TEST_F(RegistrationsOnDisk, AFolderHasOneUser) {
  const auto registrations = start();
  Registrations second({.zone = "east", .deregistration_delay = std::chrono::hours(1)}, io_,
                       *store_, logs_->logger("control"), [] {});
  second.load(folder_.file("state"), files_);
  EXPECT_THAT(second.note(), HasSubstr("used by another meshdns-cp"));
}

}  // namespace
}  // namespace meshdns::discovery
