#include "discovery/control/registrations.h"

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/xds/node.h"

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

TEST_F(RegistrationsTest, OfTwoStreamsTheNewerCountsAndItsEndAlone) {
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

TEST_F(RegistrationsTest, LeavesBehindOfAStreamThatEndsAtOnceNothing) {
  Registrations at_once({.zone = "east", .deregistration_delay = std::chrono::milliseconds(0)}, io_,
                        *store_, logs_->logger("control"), [] {});
  (void)at_once.admit(node(dataplane()));
  settle();
  EXPECT_EQ(port(), 0);
}

}  // namespace
}  // namespace meshdns::discovery
