#include "discovery/service_table.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/service.h"
#include "tests/support/manual_clock.h"

namespace meshdns::discovery {
namespace {

Service service(const std::string& name, const std::string& zone = "") {
  Service result;
  result.id = {"default", name};
  result.zone = zone;
  result.hostnames = {name + ".mesh"};
  return result;
}

std::vector<Service> some_services(int from, int count) {
  std::vector<Service> services;
  for (int i = from; i < from + count; ++i) {
    services.push_back(service("s" + std::to_string(i)));
  }
  return services;
}

std::vector<Service> many_services(int count) { return some_services(0, count); }

ServiceDelta removal(int from, int count) {
  ServiceDelta delta{.feed = "mesh"};
  for (int i = from; i < from + count; ++i) {
    delta.removed_services.push_back({"default", "s" + std::to_string(i)});
  }
  return delta;
}

ServiceEndpoints endpoints(const std::string& name, std::uint16_t count = 1) {
  ServiceEndpoints result{{"default", name}, {}};
  for (std::uint16_t port = 1; port <= count; ++port) {
    result.endpoints.push_back({IpAddress(), port, "east", Health::kHealthy, "i"});
  }
  return result;
}

class ServiceTableTest : public testing::Test {
 protected:
  support::ManualClock clock_;
  MetricRegistry metrics_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  ServiceTable table_{{"static", "mesh"}, clock_, logs_->logger("feed"), metrics_};
};

TEST_F(ServiceTableTest, ReportsOnlyWhatReallyChanged) {
  EXPECT_EQ(
      table_.apply({.feed = "mesh", .services = {service("a"), service("b")}}).services.size(), 2U);
  const auto change =
      table_.apply({.feed = "mesh", .services = {service("a"), service("b", "east")}});
  ASSERT_EQ(change.services.size(), 1U);
  EXPECT_EQ(change.services[0].unpack().zone, "east");
}

TEST_F(ServiceTableTest, RemovesWhatADeltaRemovesAndIgnoresUnknownNames) {
  (void)table_.apply({.feed = "mesh", .services = {service("a"), service("b")}});
  const auto change =
      table_.apply({.feed = "mesh", .removed_services = {{"default", "a"}, {"default", "never"}}});
  EXPECT_EQ(change.removed_services, (std::vector<ServiceId>{{"default", "a"}}));
  EXPECT_FALSE(table_.find({"default", "a"}));
  EXPECT_TRUE(table_.find({"default", "b"}));
}

TEST_F(ServiceTableTest, TakesWhatAFullStateLacksAsGone) {
  (void)table_.apply({.feed = "mesh", .services = {service("a"), service("b")}});
  const auto change =
      table_.apply({.feed = "mesh", .full_state = true, .services = {service("b"), service("c")}});
  EXPECT_EQ(change.removed_services, (std::vector<ServiceId>{{"default", "a"}}));
  ASSERT_EQ(change.services.size(), 1U);
  EXPECT_EQ(change.services[0].id().name, "c");
}

TEST_F(ServiceTableTest, LetsTheEarlierFeedWinAndTheLaterStandIn) {
  (void)table_.apply({.feed = "mesh", .services = {service("a", "mesh")}});
  EXPECT_EQ(table_.apply({.feed = "static", .services = {service("a", "static")}})
                .services.at(0)
                .unpack()
                .zone,
            "static");
  // A change of the hidden one is no change.
  EXPECT_TRUE(table_.apply({.feed = "mesh", .services = {service("a", "mesh2")}}).empty());
  const auto change = table_.apply({.feed = "static", .removed_services = {{"default", "a"}}});
  EXPECT_TRUE(change.removed_services.empty());
  EXPECT_EQ(change.services.at(0).unpack().zone, "mesh2");
}

// Of so many services some have hashes of 32 bits that are equal.
TEST_F(ServiceTableTest, TellsApartAsManyServicesAsThereAre) {
  const std::vector<Service> services = many_services(100'000);
  (void)table_.apply({.feed = "mesh", .services = services});
  (void)table_.apply({.feed = "static", .services = some_services(99'000, 2000)});
  EXPECT_EQ(table_.services(), 101'000U);
  for (const Service& told : services) {
    ASSERT_EQ(table_.find(told.id), told) << told.id.name;
  }
}

TEST_F(ServiceTableTest, HoldsDownARemovalOfMostOfTheTable) {
  (void)table_.apply({.feed = "mesh", .services = many_services(20)});
  EXPECT_TRUE(table_.apply({.feed = "mesh", .full_state = true}).empty());
  EXPECT_EQ(table_.services(), 20U);
  EXPECT_EQ(table_.held_down(), 20U);
  EXPECT_EQ(table_.next_expiry(), clock_.now() + ServiceTable::kHoldDown);
  clock_.advance(ServiceTable::kHoldDown - std::chrono::seconds(1));
  EXPECT_TRUE(table_.expire().empty());
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(table_.expire().removed_services.size(), 20U);
  EXPECT_EQ(table_.services(), 0U);
  EXPECT_EQ(table_.next_expiry(), std::nullopt);
}

TEST_F(ServiceTableTest, KeepsAHeldDownServiceThatReturns) {
  (void)table_.apply({.feed = "mesh", .services = many_services(20)});
  (void)table_.apply({.feed = "mesh", .full_state = true});
  EXPECT_TRUE(table_.apply({.feed = "mesh", .services = {service("s3")}}).empty());
  clock_.advance(ServiceTable::kHoldDown);
  EXPECT_EQ(table_.expire().removed_services.size(), 19U);
  EXPECT_TRUE(table_.find({"default", "s3"}));
}

TEST_F(ServiceTableTest, RemovesAtOnceWhatIsFewOrTheSmallerPart) {
  (void)table_.apply({.feed = "mesh", .services = many_services(9)});
  EXPECT_EQ(table_.apply({.feed = "mesh", .full_state = true}).removed_services.size(), 9U);
  (void)table_.apply({.feed = "mesh", .services = many_services(40)});
  ServiceDelta half{.feed = "mesh"};
  for (int i = 0; i < 20; ++i) {
    half.removed_services.push_back({"default", "s" + std::to_string(i)});
  }
  EXPECT_EQ(table_.apply(half).removed_services.size(), 20U);
}

// A server tells what is more than fits a response in several; none of them is of most of the
// table.
TEST_F(ServiceTableTest, HoldsDownARemovalOfMostOfTheTableThatComesInParts) {
  (void)table_.apply({.feed = "mesh", .services = many_services(100)});
  std::size_t removed = 0;
  for (int from = 0; from < 100; from += 20) {
    removed += table_.apply(removal(from, 20)).removed_services.size();
    clock_.advance(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(removed, 40U);
  EXPECT_EQ(table_.held_down(), 60U);
  clock_.advance(ServiceTable::kHoldDown + std::chrono::seconds(1));
  EXPECT_EQ(table_.expire().removed_services.size(), 60U);
  EXPECT_EQ(table_.next_expiry(), std::nullopt);
}

TEST_F(ServiceTableTest, HoldsDownWhatFollowsARemovalThatIsHeldDown) {
  (void)table_.apply({.feed = "mesh", .services = many_services(100)});
  EXPECT_TRUE(table_.apply(removal(0, 60)).empty());
  EXPECT_TRUE(table_.apply(removal(60, 40)).empty());
  EXPECT_EQ(table_.held_down(), 100U);
}

TEST_F(ServiceTableTest, BelievesAMinuteLaterThatMoreIsRemoved) {
  (void)table_.apply({.feed = "mesh", .services = many_services(100)});
  EXPECT_EQ(table_.apply(removal(0, 40)).removed_services.size(), 40U);
  clock_.advance(ServiceTable::kHoldDown);
  EXPECT_EQ(table_.apply(removal(40, 30)).removed_services.size(), 30U);
}

// However the minutes fall: a small removal does not begin one that ends before a large one does.
TEST_F(ServiceTableTest, HoldsDownWhatLeavesLessThanHalfOfAnyMomentOfTheLastMinute) {
  (void)table_.apply({.feed = "mesh", .services = many_services(100)});
  EXPECT_EQ(table_.apply(removal(0, 1)).removed_services.size(), 1U);
  clock_.advance(ServiceTable::kHoldDown - std::chrono::seconds(1));
  EXPECT_EQ(table_.apply(removal(1, 45)).removed_services.size(), 45U);
  clock_.advance(std::chrono::seconds(2));
  EXPECT_TRUE(table_.apply(removal(46, 20)).empty());
  EXPECT_EQ(table_.held_down(), 20U);
  // A minute later it is what was left that counts.
  clock_.advance(ServiceTable::kHoldDown);
  EXPECT_EQ(table_.apply(removal(66, 10)).removed_services.size(), 10U);
}

// Services that come and go leave the table as large as it was.
TEST_F(ServiceTableTest, HoldsDownNothingOfATableThatIsReplacedBitByBit) {
  (void)table_.apply({.feed = "mesh", .services = many_services(100)});
  for (int i = 0; i < 5; ++i) {
    (void)table_.apply({.feed = "mesh", .services = some_services(100 + i * 20, 20)});
    EXPECT_EQ(table_.apply(removal(i * 20, 20)).removed_services.size(), 20U);
  }
}

TEST_F(ServiceTableTest, CountsANameThatAResponseRemovesTwiceOnce) {
  (void)table_.apply({.feed = "mesh", .services = many_services(12)});
  ServiceDelta twice = removal(0, 6);
  twice.removed_services.insert(twice.removed_services.end(), twice.removed_services.begin(),
                                twice.removed_services.end());
  EXPECT_EQ(table_.apply(twice).removed_services.size(), 6U);
}

TEST_F(ServiceTableTest, LooksForWhatGoesOnceASecondHoweverManyPartsThereWere) {
  (void)table_.apply({.feed = "mesh", .services = many_services(1000)});
  (void)table_.apply(removal(0, 600));
  for (int from = 600; from < 1000; from += 10) {
    clock_.advance(std::chrono::milliseconds(100));
    (void)table_.apply(removal(from, 10));
  }
  int looks = 0;
  for (; table_.next_expiry(); ++looks) {
    clock_.advance(*table_.next_expiry() - clock_.now());
    (void)table_.expire();
  }
  EXPECT_EQ(table_.services(), 0U);
  EXPECT_LE(looks, 6);
}

TEST_F(ServiceTableTest, KeepsEndpointsLikeServicesAndApartFromThem) {
  const auto change = table_.apply({.feed = "mesh", .endpoints = {endpoints("a"), endpoints("b")}});
  EXPECT_EQ(change.endpoints, (std::vector{endpoints("a"), endpoints("b")}));
  EXPECT_EQ(table_.services(), 0U);
  EXPECT_TRUE(table_.apply({.feed = "mesh", .endpoints = {endpoints("a")}}).empty());
  EXPECT_EQ(table_.apply({.feed = "mesh", .endpoints = {endpoints("a", 2)}}).endpoints,
            std::vector{endpoints("a", 2)});
  EXPECT_EQ(
      table_.apply({.feed = "mesh", .removed_endpoints = {{"default", "a"}, {"default", "no"}}})
          .removed_endpoints,
      (std::vector<ServiceId>{{"default", "a"}}));
  EXPECT_EQ(table_.apply({.feed = "mesh", .full_state = true}).removed_endpoints,
            (std::vector<ServiceId>{{"default", "b"}}));
}

TEST_F(ServiceTableTest, LetsTheEndpointsOfTheEarlierFeedWin) {
  (void)table_.apply({.feed = "static", .endpoints = {endpoints("a")}});
  EXPECT_TRUE(table_.apply({.feed = "mesh", .endpoints = {endpoints("a", 2)}}).empty());
  EXPECT_EQ(table_.apply({.feed = "static", .removed_endpoints = {{"default", "a"}}}).endpoints,
            std::vector{endpoints("a", 2)});
}

TEST_F(ServiceTableTest, HoldsDownEndpointsToo) {
  std::vector<ServiceEndpoints> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(endpoints("s" + std::to_string(i)));
  }
  (void)table_.apply({.feed = "mesh", .endpoints = all});
  EXPECT_TRUE(table_.apply({.feed = "mesh", .full_state = true}).empty());
  EXPECT_TRUE(table_.apply({.feed = "mesh", .endpoints = {endpoints("s3")}}).empty());
  EXPECT_EQ(table_.next_expiry(), clock_.now() + ServiceTable::kHoldDown);
  clock_.advance(ServiceTable::kHoldDown);
  EXPECT_EQ(table_.expire().removed_endpoints.size(), 19U);
  EXPECT_EQ(table_.next_expiry(), std::nullopt);
}

TEST_F(ServiceTableTest, EndpointsStayAsLongAsTheirServiceIsHeldDown) {
  (void)table_.apply({.feed = "mesh", .services = many_services(20)});
  (void)table_.apply({.feed = "static", .endpoints = {endpoints("s1"), endpoints("s2")}});
  (void)table_.apply({.feed = "mesh", .full_state = true});
  clock_.advance(std::chrono::seconds(1));
  EXPECT_TRUE(table_.apply({.feed = "static", .removed_endpoints = {{"default", "s1"}}}).empty());
  clock_.advance(ServiceTable::kHoldDown - std::chrono::seconds(1));
  const auto change = table_.expire();
  EXPECT_EQ(change.removed_services.size(), 20U);
  EXPECT_EQ(change.removed_endpoints, (std::vector<ServiceId>{{"default", "s1"}}));
}

TEST_F(ServiceTableTest, KeepsNameRecordsLikeServices) {
  const NameRecord record{"api.example.org", {}, 60};
  EXPECT_EQ(table_.apply({.feed = "mesh", .records = {record}}).records.size(), 1U);
  EXPECT_TRUE(table_.apply({.feed = "mesh", .records = {record}}).empty());
  EXPECT_EQ(table_.apply({.feed = "mesh", .removed_records = {"api.example.org"}}).removed_records,
            (std::vector<std::string>{"api.example.org"}));
}

}  // namespace
}  // namespace meshdns::discovery
