// The Istio feed on a client whose control plane is the test.
#include "discovery/feeds/istio_feed.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/name_records.h"
#include "discovery/feeds/name_table.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/feeds/feed_fixture.h"
#include "tests/support/istio_name_table.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using support::istio_name_table;
using support::IstioHost;
using support::kubernetes_service;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kTypeUrl{kNameTableTypeUrl};

std::vector<IstioHost> many(std::size_t count) {
  std::vector<IstioHost> hosts;
  for (std::size_t i = 0; i < count; ++i) {
    hosts.push_back({.host = fmt::format("svc-{:05}.example.org", i),
                     .ips = {fmt::format("240.240.{}.{}", i / 256, i % 256)}});
  }
  return hosts;
}

std::vector<std::string> names(const std::vector<NameRecord>& records) {
  std::vector<std::string> all;
  for (const NameRecord& record : records) {
    all.push_back(record.name);
  }
  return all;
}

class IstioFeedTest : public FeedFixture<IstioFeed> {
 protected:
  IstioFeedTest() : FeedFixture(kTypeUrl) {}
  void start(bool sotw = false, const HeldVersions& held = {}) {
    make_client(sotw);
    feed = std::make_unique<IstioFeed>(
        logger, NameTableScope{.name_space = "shop", .domain = "svc.cluster.local"},
        [this](const ServiceDelta& delta) {
          deltas.push_back(delta);
          changes.push_back(table.apply(delta));
        },
        held);
    feed->subscribe(*client);
    client->start();
  }
  // As istiod does: the whole table, without a name.
  void tell(const std::vector<IstioHost>& hosts) { tell_octets(istio_name_table(hosts)); }
  void tell_octets(const std::string& octets) { respond({{"", "", kTypeUrl, octets, true}}); }

  ServiceTable table{{IstioFeed::kName}, clock, logger, registry};
  std::vector<TableChange> changes;
};

TEST_F(IstioFeedTest, AsksForTheTableWithoutANameAndAcksIt) {
  start();
  EXPECT_EQ(last_request().type_url(), kNameTableTypeUrl);
  EXPECT_THAT(last_request().resource_names_subscribe(), IsEmpty());
  EXPECT_FALSE(feed->has_delivered());
  tell({kubernetes_service("web", "shop", {"10.0.0.1"})});
  EXPECT_EQ(last_request().response_nonce(), "n1");
  EXPECT_THAT(nack(), IsEmpty());
  EXPECT_TRUE(feed->has_delivered());
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_THAT(names(deltas[0].records),
              ElementsAre("web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"));
}

TEST_F(IstioFeedTest, OfTenThousandHostsTheOneThatChangedIsTouched) {
  constexpr std::size_t kHosts = 10'000;
  start();
  std::vector<IstioHost> hosts = many(kHosts);
  tell(hosts);
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_THAT(deltas[0].records, SizeIs(kHosts));

  hosts[4'711].ips = {"240.240.255.1"};
  tell(hosts);
  ASSERT_THAT(deltas, SizeIs(2));
  EXPECT_THAT(names(deltas[1].records), ElementsAre("svc-04711.example.org"));
  EXPECT_THAT(deltas[1].accepted, SizeIs(1));
  EXPECT_THAT(changes[1].records, SizeIs(1));

  hosts.pop_back();
  tell(hosts);
  ASSERT_THAT(deltas, SizeIs(3));
  EXPECT_THAT(deltas[2].records, IsEmpty());
  EXPECT_THAT(deltas[2].removed_records, ElementsAre("svc-09999.example.org"));

  tell(hosts);
  EXPECT_THAT(deltas, SizeIs(3)) << "the same table again is no change";
}

TEST_F(IstioFeedTest, OverARestartOnlyTheDifferenceIsTold) {
  start();
  tell(many(100));
  // The next process, which knows what the log on disk has.
  HeldVersions held;
  for (const AcceptedResource& resource : deltas[0].accepted) {
    held.set(resource.name, resource.version);
  }
  deltas.clear();
  start(false, held);
  std::vector<IstioHost> hosts = many(100);
  hosts.erase(hosts.begin());
  hosts.back().ips = {"240.240.255.1"};
  tell(hosts);
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_THAT(names(deltas[0].records), ElementsAre("svc-00099.example.org"));
  EXPECT_THAT(deltas[0].removed_records, ElementsAre("svc-00000.example.org"));
  EXPECT_FALSE(deltas[0].full_state);
}

TEST_F(IstioFeedTest, WhatTheDiskHasAndIstioStillSaysIsConfirmedOnce) {
  start();
  tell(many(3));
  HeldVersions held;
  for (const AcceptedResource& resource : deltas[0].accepted) {
    held.set(resource.name, resource.version);
  }
  deltas.clear();
  start(false, held);
  EXPECT_FALSE(feed->has_delivered());
  tell(many(3));
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_THAT(deltas[0].records, IsEmpty());
  EXPECT_THAT(deltas[0].removed_records, IsEmpty());
  EXPECT_TRUE(feed->has_delivered());
}

// istiod takes the names in initial_resource_versions for what is asked for.
TEST_F(IstioFeedTest, ANewStreamSaysNothingOfWhatHasNoName) {
  start();
  tell(many(3));
  reconnect();
  EXPECT_THAT(last_request().resource_names_subscribe(), IsEmpty());
  EXPECT_EQ(last_request().initial_resource_versions_size(), 0);
  tell(many(3));
  EXPECT_THAT(deltas, SizeIs(1));
}

TEST_F(IstioFeedTest, WhatIsNoTableIsRefusedAndTheOneBeforeStays) {
  start();
  tell(many(2));
  tell_octets("\xff\xff");
  EXPECT_THAT(nack(), HasSubstr("no NameTable"));
  EXPECT_THAT(deltas, SizeIs(1));
  respond({{"", "", kTypeUrl, istio_name_table({}), true},
           {"", "", kTypeUrl, istio_name_table({}), true}});
  EXPECT_THAT(nack(), HasSubstr("one name table, not 2"));
  EXPECT_THAT(deltas, SizeIs(1));
  EXPECT_EQ(table.records(), 2U);
}

TEST_F(IstioFeedTest, ATableThatIsGoneStaysInUseAndIsSaidOnce) {
  start(/*sotw=*/true);
  tell(many(2));
  respond({});
  respond({});
  EXPECT_EQ(table.records(), 2U);
  EXPECT_THAT(deltas, SizeIs(1));
  const std::string text = log.str();
  const auto first = text.find("tells no name table");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("tells no name table", first + 1), std::string::npos);
}

TEST_F(IstioFeedTest, AnEmptyTableTakesNamesAway) {
  start(/*sotw=*/true);
  tell(many(2));
  tell({});
  EXPECT_EQ(table.records(), 0U);
}

TEST_F(IstioFeedTest, MassRemovalsAreHeldDownAndWhatComesBackMeanwhileStays) {
  start();
  tell(many(100));
  tell(many(1));
  EXPECT_EQ(table.records(), 100U);
  tell(many(50));
  clock.advance(ServiceTable::kHoldDown);
  table.expire();
  EXPECT_EQ(table.records(), 50U);
}

TEST_F(IstioFeedTest, WhatIsLeftOutIsSaid) {
  start();
  tell({{.host = "a b", .ips = {"10.0.0.1"}}, {.host = "good.example.org", .ips = {"10.0.0.1"}}});
  EXPECT_THAT(nack(), IsEmpty());
  EXPECT_EQ(table.records(), 1U);
  EXPECT_THAT(log.str(), HasSubstr("parts of the name table are left out count=1"));
}

TEST_F(IstioFeedTest, WhatIsLeftOutAgainIsNotSaidAgain) {
  const IstioHost bad{.host = "a b", .ips = {"10.0.0.1"}};
  const std::string said = "parts of the name table are left out";
  start();
  tell({bad});
  log.str("");
  tell({bad, {.host = "good.example.org", .ips = {"10.0.0.1"}}});
  EXPECT_THAT(log.str(), testing::Not(HasSubstr(said)));
  tell({bad, {.host = "c d", .ips = {"10.0.0.1"}}});
  EXPECT_THAT(log.str(), HasSubstr(said + " count=2"));
  tell({{.host = "good.example.org", .ips = {"10.0.0.1"}}});
  log.str("");
  tell({bad});
  EXPECT_THAT(log.str(), HasSubstr(said + " count=1")) << "it was good in between";
}

TEST(IstioFeedLog, IsReadBack) {
  const NameRecord record{.name = "*.example.org",
                          .addresses = {*IpAddress::parse("240.240.0.1")},
                          .ttl_seconds = std::nullopt};
  const std::string value = encode_name_record(record);
  std::vector<Rejection> rejections;
  ResponseView view;
  view.resources = {{"*.example.org", "v", value, {}}, {"bad.example.org", "v", "\xff", {}}};
  view.full_state = true;
  const ServiceDelta delta = IstioFeed::read(view, rejections);
  EXPECT_EQ(delta.feed, IstioFeed::kName);
  EXPECT_THAT(delta.records, ElementsAre(record));
  EXPECT_THAT(delta.accepted, SizeIs(1));
  EXPECT_FALSE(delta.full_state);
  EXPECT_THAT(rejections, SizeIs(1));
}

}  // namespace
}  // namespace meshdns::discovery
