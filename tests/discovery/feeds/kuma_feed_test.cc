// The Kuma feed on a client whose control plane is the test.
#include "discovery/feeds/kuma_feed.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/kuma_mark.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/feeds/feed_fixture.h"
#include "tests/support/kuma_listener.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using support::kuma_body;
using support::kuma_listener;
using support::KumaRecord;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

const std::string kTypeUrl{kListenerTypeUrl};
constexpr const char* kName = "system_dynamicconfig";

std::vector<KumaRecord> many(std::size_t count) {
  std::vector<KumaRecord> records;
  for (std::size_t i = 0; i < count; ++i) {
    records.push_back({fmt::format("svc-{:05}.svc.mesh.local", i),
                       {fmt::format("241.0.{}.{}", i / 256, i % 256)}});
  }
  return records;
}

class KumaFeedTest : public FeedFixture<KumaFeed> {
 protected:
  KumaFeedTest() : FeedFixture(kTypeUrl) {}
  void start(bool sotw = false, const HeldVersions& held = {}) {
    make_client(sotw);
    feed = std::make_unique<KumaFeed>(
        logger,
        [this](ServiceDelta delta) {
          deltas.push_back(std::move(delta));
          changes.push_back(table.apply(deltas.back()));
        },
        held);
    feed->subscribe(*client);
    client->start();
  }
  static DecodedResource listener(const std::string& body, const std::string& name = kName) {
    return {name, "v-" + support::kuma_etag(body), kTypeUrl, kuma_listener(body, name), true};
  }
  void tell(const std::vector<KumaRecord>& records) { respond({listener(kuma_body(records))}); }

  ServiceTable table{{KumaFeed::kName}, clock, logger, registry};
  std::vector<TableChange> changes;
};

TEST_F(KumaFeedTest, AsksForAllListenersTheOldWayAndAcksEveryResponse) {
  start();
  EXPECT_EQ(last_request().type_url(), kListenerTypeUrl);
  EXPECT_THAT(last_request().resource_names_subscribe(), IsEmpty());
  tell({{"backend.mesh", {"241.0.0.0"}}});
  EXPECT_EQ(last_request().response_nonce(), "n1");
  EXPECT_THAT(nack(), IsEmpty());
  respond({});
  EXPECT_EQ(last_request().response_nonce(), "n2");
  EXPECT_THAT(nack(), IsEmpty());
}

TEST_F(KumaFeedTest, TheFirstTableIsAWholeAndLaterOnesAreWhatChanged) {
  start();
  tell({{"a.mesh", {"241.0.0.0"}}, {"b.mesh", {"241.0.0.1"}}, {"c.mesh", {"241.0.0.2"}}});
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_TRUE(deltas[0].full_state);
  EXPECT_THAT(deltas[0].records, SizeIs(3));
  EXPECT_EQ(feed->names(), 3U);
  EXPECT_THAT(feed->labels(), ElementsAre(Pair("mesh", "default")));

  tell({{"a.mesh", {"241.0.0.9"}}, {"c.mesh", {"241.0.0.2"}}, {"d.mesh", {"241.0.0.3"}}});
  ASSERT_THAT(deltas, SizeIs(2));
  EXPECT_FALSE(deltas[1].full_state);
  ASSERT_THAT(deltas[1].records, SizeIs(2));
  EXPECT_EQ(deltas[1].records[0].name, "a.mesh");
  EXPECT_EQ(deltas[1].records[1].name, "d.mesh");
  EXPECT_THAT(deltas[1].removed_records, ElementsAre("b.mesh"));
  EXPECT_THAT(deltas[1].accepted, SizeIs(3)) << "what is written to disk: them and the mark";
}

TEST_F(KumaFeedTest, OneNameOfTenThousandTouchesOne) {
  start();
  auto records = many(10'000);
  tell(records);
  ASSERT_THAT(changes.at(0).records, SizeIs(10'000));
  records[5000].ips = {"241.9.9.9"};
  tell(records);
  ASSERT_THAT(deltas, SizeIs(2));
  EXPECT_THAT(deltas[1].records, SizeIs(1));
  EXPECT_THAT(deltas[1].removed_records, IsEmpty());
  EXPECT_THAT(deltas[1].accepted, SizeIs(2)) << "it and the mark";
  EXPECT_THAT(changes[1].records, SizeIs(1));
}

TEST_F(KumaFeedTest, ARestartThatFindsTheSameOnDiskTouchesNothing) {
  const auto record = [](const std::string& name, const std::string& address) {
    return NameRecord{name, {IpAddress::parse(address).value()}, 30};
  };
  table.apply({.feed = KumaFeed::kName,
               .full_state = false,
               .records = {record("a.mesh", "241.0.0.0"), record("old.mesh", "241.0.0.1")}});
  start();
  tell({{"a.mesh", {"241.0.0.0"}}});
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_THAT(changes[0].records, IsEmpty());
  EXPECT_THAT(changes[0].removed_records, ElementsAre("old.mesh"));
}

TEST_F(KumaFeedTest, BadJsonIsRefusedWithItsReasonAndTheTableStays) {
  start();
  tell({{"a.mesh", {"241.0.0.0"}}});
  respond({listener(R"({"records":[{"name":"a.mesh","ips":)")});
  EXPECT_THAT(nack(), HasSubstr("system_dynamicconfig: the DNS table is no JSON"));
  EXPECT_EQ(last_request().response_nonce(), "n2");
  EXPECT_THAT(deltas, SizeIs(1));
  EXPECT_EQ(feed->names(), 1U);
  tell({{"a.mesh", {"241.0.0.1"}}});
  EXPECT_THAT(nack(), IsEmpty());
  EXPECT_THAT(deltas, SizeIs(2));
}

TEST_F(KumaFeedTest, WhatIsLeftOutOfEachVersionIsSaidOnce) {
  start();
  for (int i = 0; i < 3; ++i) {
    tell({{"bad name", {"241.0.0.0"}}, {"a.mesh", {fmt::format("241.0.0.{}", i)}}});
  }
  EXPECT_EQ(feed->names(), 1U);
  const auto times_said = [this] {
    const std::string text = log.str();
    std::size_t times = 0;
    for (auto at = text.find("left out"); at != std::string::npos;
         at = text.find("left out", at + 1)) {
      ++times;
    }
    return times;
  };
  EXPECT_EQ(times_said(), 1U);
  tell({{"another bad name", {"241.0.0.0"}}, {"a.mesh", {"241.0.0.0"}}});
  EXPECT_EQ(times_said(), 2U);
}

TEST_F(KumaFeedTest, ABadFirstTableIsNoTable) {
  start();
  respond({listener("{}")});
  EXPECT_THAT(nack(), HasSubstr("no list of records"));
  EXPECT_FALSE(feed->has_delivered());
  EXPECT_THAT(deltas, IsEmpty()) << "nothing may be denied yet";
}

TEST_F(KumaFeedTest, OtherListenersAreTakenAndSayNothing) {
  start();
  respond({listener("metrics", "inbound"), listener("x", "other")});
  EXPECT_THAT(nack(), Not(IsEmpty())) << "these two have a /dns route, with what is no table";
  respond({{"plain", "1", kTypeUrl, kuma_listener("{}", "plain", "/meshmetric"), true}});
  EXPECT_THAT(nack(), IsEmpty());
  EXPECT_THAT(deltas, IsEmpty());
  EXPECT_FALSE(feed->has_delivered());
  EXPECT_THAT(log.str(), HasSubstr("tells no DNS table"));
}

TEST_F(KumaFeedTest, ATableThatIsTakenAwayStaysInUse) {
  start();
  tell({{"a.mesh", {"241.0.0.0"}}});
  respond({}, {kName});
  EXPECT_THAT(nack(), IsEmpty());
  EXPECT_THAT(deltas, SizeIs(1));
  EXPECT_EQ(feed->names(), 1U);
  EXPECT_THAT(log.str(), HasSubstr("the last one stays in use"));
  tell({{"a.mesh", {"241.0.0.0"}}});
  EXPECT_THAT(deltas, SizeIs(2)) << "it is back, though the same: that confirms it";
  EXPECT_THAT(deltas[1].records, IsEmpty());
}

TEST_F(KumaFeedTest, AnUpgradeThatRenamesTheListenerChangesNothing) {
  start();
  const std::string body = kuma_body({{"a.mesh", {"241.0.0.0"}}});
  respond({listener(body, "_kuma:dynamicconfig")});
  reconnect();
  respond({listener(body)}, {"_kuma:dynamicconfig"});
  EXPECT_THAT(nack(), IsEmpty());
  EXPECT_THAT(deltas, SizeIs(1)) << "the same ETag";
  EXPECT_THAT(log.str(), Not(HasSubstr("tells no DNS table")));
  respond({listener(kuma_body({{"a.mesh", {"241.0.0.1"}}}))});
  EXPECT_THAT(deltas.back().records, SizeIs(1));
}

TEST_F(KumaFeedTest, AReconnectSaysWhatItHolds) {
  start();
  const std::string body = kuma_body({{"a.mesh", {"241.0.0.0"}}});
  respond({listener(body)});
  reconnect();
  const auto versions = last_request().initial_resource_versions();
  ASSERT_EQ(versions.size(), 1U);
  EXPECT_EQ(versions.at(kName), "v-" + support::kuma_etag(body));
  respond({});
  EXPECT_THAT(log.str(), Not(HasSubstr("tells no DNS table"))) << "nothing changed";
}

// What is on disk after a table: its mark.
HeldVersions kept(const ServiceDelta& delta) {
  return {{delta.accepted.back().name, delta.accepted.back().version}};
}

TEST_F(KumaFeedTest, ARestartSaysWhatIsOnDiskAndIsSentNothing) {
  start();
  const std::string body = kuma_body({{"a.mesh", {"241.0.0.0"}}, {"b.mesh", {"241.0.0.1"}}});
  respond({listener(body)});
  const HeldVersions held = kept(deltas.at(0));
  deltas.clear();
  start(false, held);
  ASSERT_EQ(last_request().initial_resource_versions().size(), 1U);
  EXPECT_EQ(last_request().initial_resource_versions().at(kName), "v-" + support::kuma_etag(body));
  EXPECT_FALSE(feed->has_delivered());
  respond({});
  EXPECT_TRUE(feed->has_delivered());
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_FALSE(deltas[0].full_state) << "what is there stays";
  EXPECT_THAT(deltas[0].records, IsEmpty());
  EXPECT_EQ(feed->names(), 2U);
  EXPECT_THAT(feed->labels(), ElementsAre(Pair("mesh", "default")));
  EXPECT_THAT(log.str(), Not(HasSubstr("tells no DNS table")));
  tell({{"a.mesh", {"241.0.0.0"}}});
  ASSERT_THAT(deltas, SizeIs(2));
  EXPECT_TRUE(deltas[1].full_state) << "what was on disk is not known here";
  tell({{"c.mesh", {"241.0.0.0"}}});
  EXPECT_FALSE(deltas.back().full_state);
  EXPECT_THAT(deltas.back().removed_records, ElementsAre("a.mesh"));
}

TEST_F(KumaFeedTest, AServerThatSendsWhatIsHeldChangesNothing) {
  start();
  const std::string body = kuma_body({{"a.mesh", {"241.0.0.0"}}});
  respond({listener(body)});
  const HeldVersions held = kept(deltas.at(0));
  for (const bool sotw : {false, true}) {
    deltas.clear();
    start(sotw, held);
    respond({listener(body)});
    ASSERT_THAT(deltas, SizeIs(1));
    EXPECT_FALSE(deltas[0].full_state);
    EXPECT_THAT(deltas[0].records, IsEmpty());
  }
}

TEST_F(KumaFeedTest, ATableThatWentMeanwhileIsNotConfirmed) {
  start();
  tell({{"a.mesh", {"241.0.0.0"}}});
  const HeldVersions held = kept(deltas.at(0));
  deltas.clear();
  start(false, held);
  respond({}, {kName});
  EXPECT_FALSE(feed->has_delivered());
  EXPECT_THAT(deltas, IsEmpty());
  EXPECT_THAT(log.str(), HasSubstr("tells no DNS table"));
  respond({});
  EXPECT_FALSE(feed->has_delivered());
  tell({{"a.mesh", {"241.0.0.0"}}});
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_TRUE(deltas[0].full_state);
}

TEST_F(KumaFeedTest, AMarkThatIsNoneIsAsIfThereWereNone) {
  for (const char* const text : {"", "-", "{}", "[]", R"({"listener":"x"})"}) {
    start(false, {{std::string(KumaMark::kName), text}});
    EXPECT_THAT(last_request().initial_resource_versions(), IsEmpty()) << text;
    respond({});
    EXPECT_FALSE(feed->has_delivered()) << text;
  }
}

TEST_F(KumaFeedTest, StateOfTheWorldIsTakenToo) {
  start(true);
  respond({listener(kuma_body({{"a.mesh", {"241.0.0.0"}}, {"b.mesh", {"241.0.0.1"}}}))});
  respond({listener(kuma_body({{"a.mesh", {"241.0.0.0"}}}))});
  ASSERT_THAT(deltas, SizeIs(2));
  EXPECT_THAT(deltas[1].removed_records, ElementsAre("b.mesh"));
  respond({});
  EXPECT_EQ(feed->names(), 1U) << "a world without the listener is as one that lost it";
  EXPECT_THAT(log.str(), HasSubstr("the last one stays in use"));
}

TEST_F(KumaFeedTest, ALogReadsAsItWasWritten) {
  start();
  tell({{"a.mesh", {"241.0.0.0", "::ffff:f100:0"}}});
  const AcceptedResource& kept = deltas.at(0).accepted.at(0);
  ResponseView view;
  view.resources.push_back(
      {.name = kept.name, .version = kept.version, .value = kept.value, .type_url = {}});
  view.resources.push_back({.name = "b.mesh", .version = {}, .value = kept.value, .type_url = {}});
  view.resources.push_back({.name = std::string(KumaMark::kName),
                            .version = deltas[0].accepted.at(1).version,
                            .value = {},
                            .type_url = {}});
  std::vector<Rejection> rejections;
  const ServiceDelta read = KumaFeed::read(view, rejections);
  EXPECT_THAT(read.records, ElementsAre(deltas[0].records[0]));
  ASSERT_THAT(rejections, SizeIs(1));
  EXPECT_EQ(rejections[0].name, "b.mesh");
  ASSERT_THAT(read.accepted, SizeIs(1));
  const auto mark = KumaMark::parse(read.accepted[0].version);
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->checksum, checksum(read.records));
}

}  // namespace
}  // namespace meshdns::discovery
